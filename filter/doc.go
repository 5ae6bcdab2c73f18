// Package filter decides what becomes of one request, as pure functions of an event, the
// configuration and the time. It makes no host calls, reads no clock and draws no random
// numbers; package worker keeps what requests share, and package plugin does what the actions
// ask for.
//
// A [Stream] is one request with its route's configuration (package config): Request, then
// Cached or LookedUp for each lookup or callout that it waits for, then Response. Each returns
// an [Action], whose zero value denies.
package filter
