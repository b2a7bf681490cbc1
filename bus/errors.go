package bus

import (
	"errors"
	"fmt"

	"github.com/musterdev/muster/problem"
)

// What brokers and consumers return beside the errors of contexts and of handlers.
var (
	// ErrTooLarge says that a message has more than [MaxData] bytes of data, or more
	// than 16 KiB of attributes: 413.
	ErrTooLarge = problem.New(problem.TooLarge, "the message is larger than is taken")
	// ErrInvalid says that a message, or a subscription, is malformed; its details name
	// the field: 400.
	ErrInvalid = problem.New(problem.InvalidArgument, "the message is malformed")
	// ErrBatch says that a message was not stored because another of its batch was
	// refused, at a broker whose Caps say Batch. Alone it may be stored.
	ErrBatch = problem.New(problem.FailedPrecondition, "another message of the same batch was refused")
	// ErrBehind says that a message was not stored because one before it, of the same
	// key and call, was not: it would have passed that one.
	ErrBehind = problem.New(problem.FailedPrecondition, "an earlier message of the same key was refused")
	// ErrClosed says that the connection or the subscriber was closed here.
	ErrClosed = errors.New("bus: it is closed")
	// ErrLeaseLost says that a delivery was without a sign of life for too long, so that
	// the broker gives it to another. It is the cause of a handler's context then.
	ErrLeaseLost = errors.New("bus: the message was without a sign for longer than the broker's lease: another may be handling it")
	// ErrNoHandler says that a group got a message that none of this consumer's
	// patterns matches: 501.
	ErrNoHandler = problem.New(problem.Unimplemented, "nothing here handles this topic")
)

// Final marks an error as one that no further try can change: the message is dead at
// once. errors.Is and errors.As see through it. Final of nil is nil.
func Final(err error) error {
	if err == nil {
		return nil
	}
	return &finalError{err}
}

// IsFinal reports whether an error is, or wraps, one that [Final] marked.
func IsFinal(err error) bool {
	_, ok := errors.AsType[*finalError](err)
	return ok
}

type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// invalid returns ErrInvalid about one field, which is named as CloudEvents does.
func invalid(field, format string, args ...any) error {
	return ErrInvalid.WithField(field, fmt.Sprintf(format, args...))
}
