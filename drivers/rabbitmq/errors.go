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

// passes reports whether the same may succeed later without anybody's doing. What the
// server refuses for good is a right that is missing, or a queue of another kind.
func passes(err error) bool {
	e, ok := errors.AsType[*amqp.Error](err)
	return !ok || e.Code != amqp.AccessRefused && e.Code != amqp.PreconditionFailed && e.Code != amqp.NotAllowed && e.Code != amqp.NotImplemented
}
