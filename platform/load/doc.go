// Package load offers requests to a fleet at a rate of its own, whatever the fleet makes
// of them (an open loop), and says what became of each.
//
// A visitor arrives at a time that the [Plan] alone decides, and walks a flow: steps,
// requests with values captured from the answers before and pauses to think. Latency
// counts from when a request was meant to be sent, so a slow answer cannot hide those
// that had to wait behind it (G. Tene's coordinated omission); the time from sending it
// is kept beside. A visitor for whom there is no room is counted as dropped, never made
// to wait. When the generator itself lags, the result says that it is void.
//
// Times are kept in HDR histograms, exact to three digits from a microsecond to an hour.
package load
