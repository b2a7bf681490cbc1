package call

import (
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/resilience"
)

// outcome is what a failed attempt tells of its instance; said is what the instance's
// own answer told, if there was one.
func outcome(f resilience.Failure, said balance.Outcome, away bool) balance.Outcome {
	switch {
	case f.Answered:
		return said
	case f.Timeout:
		return balance.Abandoned
	case away:
		return balance.Unreachable
	default:
		return balance.Failed
	}
}

// httpOutcome is what an HTTP answer tells of its instance.
func httpOutcome(res *http.Response) balance.Outcome {
	switch code := res.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
		return balance.Shed
	case code >= http.StatusInternalServerError && code != http.StatusNotImplemented:
		return balance.Failed
	default:
		return balance.OK
	}
}

// grpcOutcome is what a status sent by an instance tells of it.
func grpcOutcome(err error) balance.Outcome {
	switch status.Code(err) {
	case codes.ResourceExhausted:
		return balance.Shed
	case codes.Unavailable, codes.Internal, codes.Unknown, codes.DataLoss:
		return balance.Failed
	default:
		return balance.OK
	}
}
