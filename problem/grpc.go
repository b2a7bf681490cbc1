package problem

import (
	"maps"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domain is the domain of the google.rpc.ErrorInfo in every status made here; its
// reason is the code in capitals, its metadata is Meta.
const Domain = "github.com/musterdev/muster"

// httpDomain is the domain of a second ErrorInfo, there when the Error has members only HTTP knows.
const httpDomain = Domain + "/http"

// maxStatusBytes bounds a status: peers refuse trailers of more than 8 KiB, and the
// status is sent there in base64, beside others.
const maxStatusBytes = 4 << 10

// ToGRPC returns err as a gRPC status error for a handler to return: code, message,
// and as details ErrorInfo, BadRequest and RetryInfo. nil stays nil. What a caller
// may not see is left out as From says; a status error that blames the caller passes
// unchanged. A status over 4 KiB loses details, then metadata, never its code.
// errors.Is no longer reaches the cause: log it before.
func ToGRPC(err error) error {
	if err == nil {
		return nil
	}
	return From(err).GRPCStatus().Err()
}

// GRPCStatus makes an *Error a gRPC status error, so that it is sent rightly even
// by a server without the interceptors.
func (e *Error) GRPCStatus() *status.Status {
	if e == nil {
		e = &Error{Code: Internal}
	}
	e = e.fit(maxStatusBytes, func(e *Error) int { return proto.Size(e.statusProto()) })
	return status.FromProto(e.statusProto())
}

func (e *Error) statusProto() *spb.Status {
	code := e.Code.closed()
	st := &spb.Status{Code: int32(code.GRPC()), Message: valid(e.Message)} //nolint:gosec // gRPC codes are 0 to 16
	if e.grpc != codes.OK && FromGRPCCode(e.grpc) == code {
		st.Code = int32(e.grpc) //nolint:gosec // as above
	}
	info := &errdetails.ErrorInfo{Reason: strings.ToUpper(string(code)), Domain: Domain}
	if len(e.Meta) > 0 {
		info.Metadata = make(map[string]string, len(e.Meta))
		for k, v := range e.Meta {
			info.Metadata[valid(k)] = valid(v)
		}
	}
	details := []proto.Message{info}
	if h := e.httpMembers(); len(h) > 0 {
		details = append(details, &errdetails.ErrorInfo{Reason: "HTTP", Domain: httpDomain, Metadata: h})
	}
	if len(e.Details) > 0 {
		bad := &errdetails.BadRequest{}
		for _, d := range e.Details {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: valid(d.Field), Description: valid(d.Reason)})
		}
		details = append(details, bad)
	}
	if e.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	for _, d := range details {
		if packed, err := anypb.New(d); err == nil { // cannot fail: every string is valid UTF-8
			st.Details = append(st.Details, packed)
		}
	}
	return st
}

func (e *Error) httpMembers() map[string]string {
	members := map[string]string{"type": valid(e.Type), "title": valid(e.Title), "instance": valid(e.Instance)}
	if e.Status != 0 {
		members["status"] = strconv.Itoa(e.Status)
	}
	maps.DeleteFunc(members, func(_, v string) bool { return v == "" })
	return members
}

// FromGRPC returns the *Error that a gRPC call's error stands for, with the original
// as its cause; nil stays nil, and an error without a status is returned as it is.
// Of a foreign status (one made without this package) the text becomes the public
// message only if the status blames the caller.
func FromGRPC(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*Error); ok { //nolint:errorlint // what is wrapped deeper is not the call's own answer
		return err
	}
	st := statusOf(err)
	if st == nil {
		return err
	}
	return fromStatus(st, err)
}

func fromStatus(st *status.Status, cause error) *Error {
	code := FromGRPCCode(st.Code())
	e := &Error{Code: code, cause: cause, grpc: st.Code()}
	own := false
	for _, packed := range st.Proto().GetDetails() {
		detail, err := packed.UnmarshalNew()
		if err != nil {
			continue // a detail of a type this program does not know, or a damaged one
		}
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			own = e.take(d, st.Code()) || own
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Details = append(e.Details, Detail{Field: v.GetField(), Reason: v.GetDescription()})
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = max(0, d.GetRetryDelay().AsDuration())
		}
	}
	_, _, e.Message, _ = e.Code.facts()
	if own || code.HTTPStatus() < 500 {
		e.Message = st.Message()
	}
	if e.grpc == e.Code.GRPC() {
		e.grpc = codes.OK
	}
	return e
}

// take reads one ErrorInfo and reports whether it was made by this package. A code
// that does not go with the status's own is not believed.
func (e *Error) take(info *errdetails.ErrorInfo, wire codes.Code) bool {
	m := info.GetMetadata()
	switch info.GetDomain() {
	case Domain:
		code := Code(strings.ToLower(info.GetReason()))
		if code.closed() != code || code.GRPC() != wire && FromGRPCCode(wire) != code {
			return false
		}
		e.Code = code
		e.addMeta(m)
		return true
	case httpDomain:
		e.Type, e.Title, e.Instance = m["type"], m["title"], m["instance"]
		e.Status, _ = strconv.Atoi(m["status"])
	default:
		e.addMeta(map[string]string{"reason": info.GetReason(), "domain": info.GetDomain()})
		e.addMeta(m)
	}
	return false
}

func (e *Error) addMeta(m map[string]string) {
	if len(m) == 0 {
		return
	}
	if e.Meta == nil {
		e.Meta = make(map[string]string, len(m))
	}
	maps.Copy(e.Meta, m)
}

// fit returns e, or a copy cut until size says it has at most limit bytes: details
// from the end first, then Meta and what is HTTP's, then the message.
func (e *Error) fit(limit int, size func(*Error) int) *Error {
	if size(e) <= limit {
		return e
	}
	cut := *e
	for len(cut.Details) > 0 {
		cut.Details = cut.Details[:len(cut.Details)/2]
		if size(&cut) <= limit {
			return &cut
		}
	}
	cut.Meta, cut.Type, cut.Title, cut.Instance = nil, "", "", ""
	for len(cut.Message) > 0 && size(&cut) > limit {
		cut.Message = strings.ToValidUTF8(cut.Message[:len(cut.Message)/2], "")
	}
	return &cut
}

// valid replaces what is not UTF-8, which neither protobuf nor JSON can carry.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
