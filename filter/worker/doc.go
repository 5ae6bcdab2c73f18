// Package worker is one Envoy worker's part of the filter, whole and sans-IO: which streams
// wait, what is cached, which look-ups are under way and who shares them, what is sent in one
// callout, how invalidations from elsewhere arrive, and which open streams end with their
// sessions. It makes no host calls, reads no clock and draws no random numbers.
//
// A [Worker] takes events and returns an [Output]: values that say what to do, valid until
// its next call. Its zero action denies.
package worker
