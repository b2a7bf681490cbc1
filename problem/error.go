package problem

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is a failure as a caller on the other side of a wire may see it. All its
// exported fields are public: write nothing into them that the caller must not
// read. A nil *Error is safe to use and counts as an Internal error.
//
// The With methods leave the Error as it is and return a copy, so that one kept in a
// package's variable may be decorated for each request; errors.Is still finds the one
// that the copy was made from. An Error whose fields nobody sets any more is safe for
// concurrent use.
type Error struct {
	Code       Code
	Message    string            // for the caller; one sentence that says what is wrong and, where it can, what to do
	Details    []Detail          // what is wrong with single fields
	Meta       map[string]string // free-form facts a program may read; keys like "order_id"
	RetryAfter time.Duration     // when the same request may be tried again; 0 says nothing about it

	// What only HTTP has. All may stay empty; gRPC carries them too.
	Status   int    // an HTTP status finer than the Code's, such as 405; ignored where FromHTTPStatus(Status) is not Code
	Type     string // URI of the kind of problem; empty means about:blank (RFC 9457, section 3.1.1)
	Title    string // short text of the kind of problem; empty means the status's own
	Instance string // URI reference of this occurrence; Write takes the request's path when it is empty

	cause error
	model *Error     // what a With method made it from; nil when none did
	grpc  codes.Code // the gRPC code it came with, when that is finer than Code
}

// Detail says what is wrong with one field of the request.
type Detail struct {
	Field  string `json:"field,omitempty"` // path of the field, such as "lines[2].quantity"; empty for the request as a whole
	Reason string `json:"reason"`          // what is wrong and what is expected
}

// New returns an Error whose public message is formatted as by fmt.Sprintf.
func New(code Code, format string, args ...any) *Error {
	return Wrap(nil, code, format, args...)
}

// Wrap returns an Error caused by err: errors.Is and errors.As reach err through
// it, and neither err nor its text is sent to the caller. With a nil err it is New,
// not nil, so that its result may be returned as an error.
func Wrap(err error, code Code, format string, args ...any) *Error {
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	return &Error{Code: code, Message: message, cause: err}
}

// WithField returns a copy of e with one more detail, about one field. Where many are
// found one after the other, set Details instead: each copy keeps what it was made from.
func (e *Error) WithField(field, reason string) *Error {
	if e == nil {
		return nil
	}
	c := e.copy()
	c.Details = append(c.Details, Detail{Field: field, Reason: reason})
	return c
}

// WithRetryAfter returns a copy of e that says when the same request may be tried
// again.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	if e == nil {
		return nil
	}
	c := e.copy()
	c.RetryAfter = d
	return c
}

// WithMeta returns a copy of e with one more free-form fact.
func (e *Error) WithMeta(key, value string) *Error {
	if e == nil {
		return nil
	}
	c := e.copy()
	if c.Meta == nil {
		c.Meta = map[string]string{}
	}
	c.Meta[key] = value
	return c
}

// copy returns an Error that shares nothing with e that either could change.
func (e *Error) copy() *Error {
	c := *e
	c.Details, c.Meta, c.model = slices.Clone(e.Details), maps.Clone(e.Meta), e
	return &c
}

// Error returns the code, the message, the details and the cause, for logs.
func (e *Error) Error() string {
	if e == nil {
		return string(Internal)
	}
	var b strings.Builder
	b.WriteString(string(e.Code.closed()))
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	for i, d := range e.Details {
		b.WriteString([]string{" (", "; "}[min(i, 1)])
		if d.Field != "" {
			b.WriteString(d.Field + ": ")
		}
		b.WriteString(d.Reason)
	}
	if len(e.Details) > 0 {
		b.WriteString(")")
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

// Unwrap returns the cause, nil when there is none.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.cause
}

// Is makes a copy that a With method returned match what it was made from, and a
// Canceled or DeadlineExceeded error that came over a wire the error of package
// context that a local call would have returned. Two Errors that merely look alike
// do not match; compare their codes by [CodeOf].
func (e *Error) Is(target error) bool {
	if e == nil {
		return false
	}
	if t, ok := target.(*Error); ok {
		for m := e.model; m != nil; m = m.model {
			if m == t {
				return true
			}
		}
		return false
	}
	return target == context.Canceled && e.Code == Canceled || target == context.DeadlineExceeded && e.Code == DeadlineExceeded
}

// HTTPStatus returns Status where it is finer than the code's own, else the code's.
func (e *Error) HTTPStatus() int {
	if e == nil {
		return http.StatusInternalServerError
	}
	if code := e.Code.closed(); e.Status >= 400 && e.Status < 600 && FromHTTPStatus(e.Status) == code {
		return e.Status
	}
	return e.Code.HTTPStatus()
}

// CodeOf returns the code of the first *Error in err's tree; else that of a context
// error, of a gRPC status, of an *http.MaxBytesError, or Unavailable for a database
// that lacks the room to do what was asked (SQLSTATE class 53); else Internal. A nil err has
// the empty Code.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var (
		own *Error
		big *http.MaxBytesError
	)
	switch {
	case errors.As(err, &own):
		if own == nil {
			return Internal
		}
		return own.Code.closed()
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.As(err, &big):
		return TooLarge
	}
	if st := statusOf(err); st != nil {
		return FromGRPCCode(st.Code())
	}
	var database interface{ SQLState() string }
	if errors.As(err, &database) && strings.HasPrefix(database.SQLState(), "53") {
		return Unavailable
	}
	return Internal
}

// From returns err as its caller may see it: the first *Error in its tree, else an
// Error with the code of CodeOf and a message that tells nothing of err's text; the
// text of a gRPC status that blames the caller (its HTTP status is below 500) is
// kept. err stays reachable as the cause. From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if own, ok := err.(*Error); ok && own != nil { //nolint:errorlint // only this very error needs no new cause
		return own
	}
	var own *Error
	if found := errors.As(err, &own); found && own != nil {
		seen := *own
		seen.Details, seen.Meta, seen.cause = slices.Clone(own.Details), maps.Clone(own.Meta), err
		return &seen
	} else if st := statusOf(err); !found && st != nil && CodeOf(err) == FromGRPCCode(st.Code()) {
		return fromStatus(st, err)
	}
	code := CodeOf(err)
	_, _, message, _ := code.facts()
	return Wrap(err, code, "%s", message)
}

// statusOf returns the gRPC status in err's tree, nil when there is none or it is OK.
func statusOf(err error) *status.Status {
	var carrier interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &carrier) {
		return nil
	}
	st := carrier.GRPCStatus()
	if st == nil || st.Code() == codes.OK {
		return nil
	}
	return st
}
