// Package problem is the one shape of an error that crosses a wire.
//
// An [Error] has a [Code] of a closed set, a message its author means for the
// caller, details about single fields, free-form metadata and a time after which
// to retry. Over HTTP it is an application/problem+json body (RFC 9457), over gRPC
// a status with google.rpc error details; both directions keep every one of these.
// What caused an error stays on this side of the wire: it is reachable with
// errors.Is and errors.As, it is in Error's text for the log, and it is never sent.
//
//	if errors.Is(err, sql.ErrNoRows) {
//		return problem.Wrap(err, problem.NotFound, "no product %q", id)
//	}
//
// Errors of any other type may be handed to [Write] and [ToGRPC] too: the caller
// learns the code [CodeOf] finds and nothing of their text.
package problem
