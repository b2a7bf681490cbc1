package link

import (
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/call/balance"
)

// Outcome is what an HTTP answer tells of its instance.
func Outcome(res *http.Response) balance.Outcome {
	return OutcomeOf(res.StatusCode, res.Header.Get("Retry-After") != "")
}

// OutcomeOf is Outcome of an answer with this status, and the field Retry-After or not.
func OutcomeOf(code int, retryAfter bool) balance.Outcome {
	switch {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable && retryAfter:
		return balance.Shed
	case code >= http.StatusInternalServerError && code != http.StatusNotImplemented:
		return balance.Failed
	default:
		return balance.OK
	}
}

// StatusOutcome is what a status sent by an instance tells of it.
func StatusOutcome(err error) balance.Outcome {
	switch status.Code(err) {
	case codes.ResourceExhausted:
		return balance.Shed
	case codes.Unavailable, codes.Internal, codes.Unknown, codes.DataLoss:
		return balance.Failed
	default:
		return balance.OK
	}
}
