// Package filter is the sans-IO core: what the filter decides, as pure
// functions of an event, the configuration and the time. It makes no host
// calls, reads no clock and draws no random numbers; package plugin does what
// its actions say.
//
// A [Config] is parsed once and gives a [Route] for each request. A [Stream] is
// one request on its way: Request, then Reply for each callout it waited for,
// then Response. Each answers with an [Action], whose zero value denies.
package filter
