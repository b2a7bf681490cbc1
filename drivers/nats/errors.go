package nats

import (
	"context"
	"errors"
	"fmt"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/bus/away"
	"github.com/musterdev/muster/problem"
)

var (
	errAway   = errors.New("the connection was lost")
	errSilent = fmt.Errorf("no answer within %s: the broker hangs, or cannot write its store", answerWait)
	errNobody = errors.New("nothing answers for the stream there")
	errBehind = errors.New("what other calls publish there is still being stored")
)

// gaveUp is the end of a caller's context, and what it was waiting for.
func (b *broker) gaveUp(ended, last error) error {
	return &away.GaveUpError{Driver: "nats", Broker: b.shown, Ended: ended, Last: last}
}

// The server's error codes that jetstream has no name for.
const (
	codeAccountFull    = 10002
	codeClusterAway    = 10008
	codeNotLeader      = 10009
	codeResources      = 10023
	codeMemoryFull     = 10028
	codeNotEnabledHere = 10039
	codeStoreFull      = 10047
	codeTooLarge       = 10054
	codeNameInUse      = 10058
	codeNotEnabled     = 10076
	codeStoreFailed    = 10077
	codeHeaderTooLarge = 10097
	codeOffline        = 10118
	codeIncomplete     = 10176
	codeInProcess      = 10158
	codeKnown          = 10201
	codeTooMany        = 10210
)

func codeOf(err error) jetstream.ErrorCode {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode
	}
	return 0
}

// passes reports whether the same may succeed later without anybody's doing: the
// broker is away, starting, or choosing a leader.
func passes(err error) bool {
	switch codeOf(err) {
	case codeClusterAway, codeNotLeader, codeNotEnabledHere, codeNotEnabled, codeOffline, codeIncomplete, codeInProcess, codeTooMany:
		return true
	}
	for _, known := range []error{
		errAway, errSilent, errNobody, context.DeadlineExceeded, natsgo.ErrNoResponders, natsgo.ErrTimeout, natsgo.ErrReconnectBufExceeded,
		natsgo.ErrConnectionReconnecting, natsgo.ErrDisconnected, natsgo.ErrStaleConnection, natsgo.ErrNoServers, jetstream.ErrNoStreamResponse,
		jetstream.ErrJetStreamNotEnabled, jetstream.ErrJetStreamNotEnabledForAccount, jetstream.ErrStreamNotFound,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// named says what an error of storing messages means: too_large for what never will
// be taken, unavailable for a store that is full or fails.
func named(stream string, err error) error {
	switch codeOf(err) {
	case codeAccountFull, codeResources, codeMemoryFull, codeStoreFull, codeStoreFailed:
		return problem.Wrap(fmt.Errorf("nats: stream %s: %w", stream, err), problem.Unavailable,
			"the broker's store is full or fails: make room on its disk (a NATS cluster of your own may also need a higher max_file_store)")
	case codeTooLarge, codeHeaderTooLarge:
		return problem.Wrap(fmt.Errorf("nats: stream %s: %w", stream, err), problem.TooLarge, "the message is larger than the broker takes")
	}
	if errors.Is(err, natsgo.ErrMaxPayload) {
		return problem.Wrap(fmt.Errorf("nats: stream %s: %w", stream, err), problem.TooLarge, "the message is larger than the broker takes")
	}
	if _, ok := errors.AsType[*away.GaveUpError](err); ok {
		return problem.Wrap(err, problem.Unavailable, "the broker is not available")
	}
	return err
}
