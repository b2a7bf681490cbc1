package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/away"
	"github.com/musterdev/muster/drivers/kafka/internal/request"
	"github.com/musterdev/muster/drivers/kafka/internal/wire"
	"github.com/musterdev/muster/problem"
)

// lease is how long a delivery goes without a sign.
const lease = 4 * time.Second

// The bounds of talking to a broker.
const (
	answerWait  = 5 * time.Second       // for a dial, and beyond what a request asks to wait
	retryWait   = 2 * time.Second       // how long the client itself tries again
	metadataAge = 50 * time.Millisecond // the least between two looks at what topics there are
)

// broker is a connection, with all its subscribers.
type broker struct {
	options []kgo.Opt
	client  *kgo.Client // publishes, and asks
	shown   string
	log     *slog.Logger
	living  context.Context //nolint:containedctx // ends with the broker, which calls outlast
	stop    context.CancelFunc
	watch   sync.WaitGroup
	looking chan struct{} // who reads logs for a count; see read

	mu      sync.Mutex
	members map[*subscriber]struct{}
	logs    map[string]bool // owners whose log is there
	closed  bool
	why     error // of the last try; nil: the broker answers
}

var (
	_ bus.Broker = (*broker)(nil)
	_ bus.Admin  = (*broker)(nil)
)

var errNotTried = errors.New("it has not answered yet")

func connect(options []kgo.Opt, shown string, log *slog.Logger) (*broker, error) {
	options = append(slices.Clone(options),
		// By names, not by their numbers: newer forms of some requests take no names.
		kgo.MaxVersions(kversion.V3_9_0()),
		kgo.DialTimeout(answerWait), kgo.RequestTimeoutOverhead(answerWait),
		kgo.RetryBackoffFn(away.Pause), kgo.MetadataMinAge(metadataAge),
	)
	// To publish it tries for as long as the caller waits.
	client, err := kgo.NewClient(append(slices.Clone(options), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0))...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	b := &broker{
		options: options, client: client, shown: shown, log: log.With("broker", shown), looking: make(chan struct{}, 4),
		members: map[*subscriber]struct{}{}, logs: map[string]bool{}, why: errNotTried,
	}
	b.living, b.stop = context.WithCancel(context.Background())
	b.watch.Go(b.look)
	return b, nil
}

// asking returns a client that gives up soon, so that whoever asks decides.
func (b *broker) asking(more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(append(slices.Clone(b.options), kgo.RetryTimeout(retryWait)), more...)...)
}

// lookEvery is how often it is looked whether the broker answers.
const lookEvery = time.Second

// look pings the broker until the connection is closed, and says when it is away.
func (b *broker) look() {
	away.Watch{
		Every: lookEvery, Log: b.log,
		Ping: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, retryWait)
			defer cancel()
			return b.client.Ping(ctx)
		},
		Seen: func(_ context.Context, err error, _ bool) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.why = err
		},
	}.Run(b.living)
}

// Away returns nil while the broker answers, else problem.Unavailable, which names its
// address, with the reason. It does not wait.
func (b *broker) Away() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return bus.ErrClosed
	case b.why == nil:
		return nil
	}
	return problem.Wrap(b.why, problem.Unavailable, "the Kafka broker at %s is away", b.shown).WithRetryAfter(away.LongPause)
}

// Caps says what the driver does with Kafka.
func (b *broker) Caps() bus.Caps {
	return bus.Caps{Order: true, Count: true, Delay: true, MaxData: bus.MaxData, Lease: lease}
}

// insist tries what until it succeeds, fails for a reason that will not pass, or ctx ends.
func (b *broker) insist(ctx context.Context, what func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.living, cancel)()
	var last error
	for failures := 0; ; failures++ {
		if err := b.open(ctx); err != nil {
			return b.gaveUp(err, last)
		}
		err := what(ctx)
		if err == nil {
			return nil
		}
		if e := b.open(ctx); e != nil {
			return b.gaveUp(e, err)
		}
		if !passes(err) {
			return err
		}
		last = err
		_ = away.Rest(ctx, away.Pause(failures)) // open tells how it ended
	}
}

// open returns why nothing is to be tried any more.
func (b *broker) open(ctx context.Context) error {
	if b.living.Err() != nil {
		return bus.ErrClosed
	}
	return ctx.Err()
}

// gaveUp returns the end of a caller's context with what it was waiting for.
func (b *broker) gaveUp(ended, last error) error {
	if last == nil || errors.Is(ended, bus.ErrClosed) {
		return ended
	}
	return problem.Wrap(fmt.Errorf("kafka: the broker at %s did not do it in time: %w: %w", b.shown, last, ended), problem.Unavailable, "the broker is not available")
}

// passes reports whether the same may succeed later without anybody's doing. What the
// broker refuses for good is a right that is missing, or a topic that is another's.
func passes(err error) bool {
	if errors.Is(err, request.ErrOther) || errors.Is(err, wire.ErrPlace) {
		return false
	}
	e, ok := errors.AsType[*kerr.Error](err)
	return !ok || e.Retriable || errors.Is(e, kerr.UnknownTopicOrPartition) || errors.Is(e, kerr.UnknownServerError)
}

// Close ends the connection. Calls under way fail.
func (b *broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	var leaving sync.WaitGroup
	for s := range b.members {
		leaving.Go(func() { _ = s.Close() }) // has no error
	}
	b.mu.Unlock()
	b.stop()
	leaving.Wait()
	b.watch.Wait()
	b.client.Close()
	return nil
}
