package rabbitmq

import (
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

var (
	errAway   = errors.New("the connection was lost")
	errSilent = fmt.Errorf("no answer within %s: the broker hangs, or cannot write its store", answerWait)
)

// gaveUpError is the end of a caller's context, and what it was waiting for.
type gaveUpError struct {
	broker string
	ended  error
	last   error // of the last try; nil: there was no connection
}

func (e *gaveUpError) Error() string {
	if e.last == nil {
		return fmt.Sprintf("rabbitmq: the broker at %s is away: %v", e.broker, e.ended)
	}
	return fmt.Sprintf("rabbitmq: the broker at %s did not do it in time: %v: %v", e.broker, e.last, e.ended)
}

func (e *gaveUpError) Unwrap() []error { return []error{e.ended, e.last} }

// passes reports whether the same may succeed later without anybody's doing. What the
// server refuses for good is a right that is missing, or a queue of another kind.
func passes(err error) bool {
	e, ok := errors.AsType[*amqp.Error](err)
	return !ok || e.Code != amqp.AccessRefused && e.Code != amqp.PreconditionFailed && e.Code != amqp.NotAllowed && e.Code != amqp.NotImplemented
}
