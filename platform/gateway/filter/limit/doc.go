// Package limit bounds how often is asked: the kind "limit". Each rule has a rate and says
// by what requests are told apart; a request passes when all rules let it. It is decided by
// quota.Bucket, GCRA, for each key that was seen of late.
//
// A limit that is shared holds for all gateways together. Nobody asks a store for each
// request: every gateway may use its part of the rate at once and books it afterwards, and
// leases from the store what the others do not use. See [Sharing].
package limit
