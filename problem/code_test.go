package problem

import (
	"net/http"
	"testing"

	"google.golang.org/grpc/codes"
)

func TestCodesAreOneClosedTable(t *testing.T) {
	want := map[Code]struct {
		http int
		grpc codes.Code
	}{
		InvalidArgument:    {400, codes.InvalidArgument},
		Unauthenticated:    {401, codes.Unauthenticated},
		PermissionDenied:   {403, codes.PermissionDenied},
		NotFound:           {404, codes.NotFound},
		Conflict:           {409, codes.Aborted},
		Gone:               {410, codes.NotFound},
		FailedPrecondition: {412, codes.FailedPrecondition},
		TooLarge:           {413, codes.InvalidArgument},
		Unprocessable:      {422, codes.InvalidArgument},
		ResourceExhausted:  {429, codes.ResourceExhausted},
		Canceled:           {499, codes.Canceled},
		Internal:           {500, codes.Internal},
		Unimplemented:      {501, codes.Unimplemented},
		Unknown:            {502, codes.Unknown},
		Unavailable:        {503, codes.Unavailable},
		DeadlineExceeded:   {504, codes.DeadlineExceeded},
	}
	if len(Codes()) != len(want) {
		t.Fatalf("%d codes, want %d", len(Codes()), len(want))
	}
	last := 0
	for _, c := range Codes() {
		if got := c.HTTPStatus(); got != want[c].http {
			t.Errorf("%s: HTTP %d, want %d", c, got, want[c].http)
		}
		if got := c.GRPC(); got != want[c].grpc {
			t.Errorf("%s: gRPC %s, want %s", c, got, want[c].grpc)
		}
		if FromHTTPStatus(c.HTTPStatus()) != c {
			t.Errorf("%s does not survive its HTTP status", c)
		}
		if c.HTTPStatus() <= last {
			t.Errorf("%s: not in the order of the status", c)
		}
		last = c.HTTPStatus()
	}
	for _, c := range []Code{"", "nonsense", "NOT_FOUND"} {
		if c.HTTPStatus() != 500 || c.GRPC() != codes.Internal {
			t.Errorf("%q is not treated as internal", c)
		}
	}
}

func TestFromGRPCCode(t *testing.T) {
	want := map[codes.Code]Code{
		codes.OK: "", codes.Canceled: Canceled, codes.Unknown: Unknown, codes.InvalidArgument: InvalidArgument,
		codes.DeadlineExceeded: DeadlineExceeded, codes.NotFound: NotFound, codes.AlreadyExists: Conflict,
		codes.PermissionDenied: PermissionDenied, codes.ResourceExhausted: ResourceExhausted,
		codes.FailedPrecondition: FailedPrecondition, codes.Aborted: Conflict, codes.OutOfRange: InvalidArgument,
		codes.Unimplemented: Unimplemented, codes.Internal: Internal, codes.Unavailable: Unavailable,
		codes.DataLoss: Internal, codes.Unauthenticated: Unauthenticated, codes.Code(99): Unknown,
	}
	for in, c := range want {
		if got := FromGRPCCode(in); got != c {
			t.Errorf("%s: %q, want %q", in, got, c)
		}
	}
}

func TestFromHTTPStatusKnowsEveryStatus(t *testing.T) {
	special := map[int]Code{
		405: Unimplemented, 407: Unauthenticated, 408: DeadlineExceeded, 414: TooLarge, 415: InvalidArgument,
		418: InvalidArgument, 423: FailedPrecondition, 425: Unavailable, 428: FailedPrecondition, 431: TooLarge,
		451: PermissionDenied, 505: Internal, 507: ResourceExhausted, 511: Unauthenticated, 599: Internal,
		0: Unknown, 200: Unknown, 302: Unknown, 600: Unknown, -1: Unknown,
	}
	for status, want := range special {
		if got := FromHTTPStatus(status); got != want {
			t.Errorf("%d: %s, want %s", status, got, want)
		}
	}
	for status := http.StatusBadRequest; status < 600; status++ {
		if c := FromHTTPStatus(status); c.closed() != c {
			t.Errorf("%d: %q is not of the closed set", status, c)
		}
	}
}
