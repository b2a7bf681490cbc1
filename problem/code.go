package problem

import (
	"net/http"

	"google.golang.org/grpc/codes"
)

// Code says what kind of failure an [Error] is. The set is closed: callers may
// switch over it, and any other value counts as [Internal].
type Code string

// The codes, each with the HTTP status it has on the wire.
const (
	InvalidArgument    Code = "invalid_argument"    // 400: the request is malformed, whatever the state of the system
	Unauthenticated    Code = "unauthenticated"     // 401: the caller did not prove who it is
	PermissionDenied   Code = "permission_denied"   // 403: the caller is known and may not do this
	NotFound           Code = "not_found"           // 404: no such thing
	Conflict           Code = "conflict"            // 409: it collides with the present state, or with a request under way
	Gone               Code = "gone"                // 410: there was such a thing, and it will not come back
	FailedPrecondition Code = "failed_precondition" // 412: a condition the caller set, or the system needs, does not hold
	TooLarge           Code = "too_large"           // 413: the request is larger than is taken
	Unprocessable      Code = "unprocessable"       // 422: well-formed, and still not to be carried out as it stands
	ResourceExhausted  Code = "resource_exhausted"  // 429: a limit or quota is used up
	Canceled           Code = "canceled"            // 499: the caller went away
	Internal           Code = "internal"            // 500: a fault on this side
	Unimplemented      Code = "unimplemented"       // 501: this operation is not offered here
	Unknown            Code = "unknown"             // 502: it is not known whether the request took effect
	Unavailable        Code = "unavailable"         // 503: not now; the same request may succeed later
	DeadlineExceeded   Code = "deadline_exceeded"   // 504: it was not done in time; it may still take effect
)

// Codes returns the closed set in the order of the HTTP status.
func Codes() []Code {
	return []Code{
		InvalidArgument, Unauthenticated, PermissionDenied, NotFound, Conflict, Gone, FailedPrecondition, TooLarge,
		Unprocessable, ResourceExhausted, Canceled, Internal, Unimplemented, Unknown, Unavailable, DeadlineExceeded,
	}
}

// statusClientClosedRequest is nginx's status for a caller that went away; no RFC has one.
const statusClientClosedRequest = 499

// facts returns what the wires and the default message say of a code.
func (c Code) facts() (httpStatus int, grpcCode codes.Code, message string, known bool) {
	switch c {
	case InvalidArgument:
		return http.StatusBadRequest, codes.InvalidArgument, "the request is not valid", true
	case Unauthenticated:
		return http.StatusUnauthorized, codes.Unauthenticated, "valid credentials are needed", true
	case PermissionDenied:
		return http.StatusForbidden, codes.PermissionDenied, "this is not permitted", true
	case NotFound:
		return http.StatusNotFound, codes.NotFound, "there is no such thing", true
	case Conflict:
		return http.StatusConflict, codes.Aborted, "the request collides with the present state", true
	case Gone:
		return http.StatusGone, codes.NotFound, "this no longer exists", true
	case FailedPrecondition:
		return http.StatusPreconditionFailed, codes.FailedPrecondition, "a precondition does not hold", true
	case TooLarge:
		return http.StatusRequestEntityTooLarge, codes.InvalidArgument, "the request is too large", true
	case Unprocessable:
		return http.StatusUnprocessableEntity, codes.InvalidArgument, "the request cannot be carried out as it stands", true
	case ResourceExhausted:
		return http.StatusTooManyRequests, codes.ResourceExhausted, "a limit is used up", true
	case Canceled:
		return statusClientClosedRequest, codes.Canceled, "the request was canceled", true
	case Internal:
		return http.StatusInternalServerError, codes.Internal, "the service failed", true
	case Unimplemented:
		return http.StatusNotImplemented, codes.Unimplemented, "this is not offered here", true
	case Unknown:
		return http.StatusBadGateway, codes.Unknown, "it is not known whether the request took effect", true
	case Unavailable:
		return http.StatusServiceUnavailable, codes.Unavailable, "the service is not available now", true
	case DeadlineExceeded:
		return http.StatusGatewayTimeout, codes.DeadlineExceeded, "the request was not done in time", true
	}
	status, grpcCode, message, _ := Internal.facts()
	return status, grpcCode, message, false
}

// closed returns c, or Internal when c is not of the closed set.
func (c Code) closed() Code {
	if _, _, _, known := c.facts(); !known {
		return Internal
	}
	return c
}

// HTTPStatus returns the HTTP status of c, 500 when c is not of the closed set.
func (c Code) HTTPStatus() int {
	status, _, _, _ := c.facts()
	return status
}

// GRPC returns the gRPC code of c, codes.Internal when c is not of the closed
// set. gRPC has no code of its own for Gone (NotFound), Conflict (Aborted),
// TooLarge and Unprocessable (InvalidArgument); the status details keep them apart.
func (c Code) GRPC() codes.Code {
	_, code, _, _ := c.facts()
	return code
}

// FromHTTPStatus returns the code nearest to an HTTP status of 400 to 599; any
// other number gives Unknown, for what it means for the request is not known.
func FromHTTPStatus(status int) Code {
	for _, c := range Codes() {
		if c.HTTPStatus() == status {
			return c
		}
	}
	switch status {
	case http.StatusProxyAuthRequired, http.StatusNetworkAuthenticationRequired:
		return Unauthenticated
	case http.StatusUnavailableForLegalReasons:
		return PermissionDenied
	case http.StatusMethodNotAllowed:
		return Unimplemented
	case http.StatusRequestTimeout:
		return DeadlineExceeded
	case http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		return TooLarge
	case http.StatusPreconditionRequired, http.StatusLocked, http.StatusFailedDependency:
		return FailedPrecondition
	case http.StatusTooEarly:
		return Unavailable
	case http.StatusInsufficientStorage:
		return ResourceExhausted
	}
	switch {
	case status >= 400 && status < 500:
		return InvalidArgument
	case status >= 500 && status < 600:
		return Internal
	}
	return Unknown
}

// FromGRPCCode returns the code nearest to a gRPC code. codes.OK, which is no
// failure, gives the empty Code.
func FromGRPCCode(code codes.Code) Code {
	switch code {
	case codes.OK:
		return ""
	case codes.OutOfRange:
		return InvalidArgument
	case codes.AlreadyExists:
		return Conflict
	case codes.DataLoss:
		return Internal
	}
	for _, c := range Codes() { // Gone, TooLarge and Unprocessable come after the code that owns the gRPC code
		if c.GRPC() == code {
			return c
		}
	}
	return Unknown
}
