package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/away"
	"github.com/musterdev/muster/problem"
)

// lease is how long a delivery goes without a sign.
const lease = 4 * time.Second

// broker is a connection, with all its subscribers.
type broker struct {
	client  goredis.UniversalClient
	scripts scripts
	shown   string
	log     *slog.Logger
	ended   chan struct{} // closed by Close
	watch   sync.WaitGroup

	mu        sync.Mutex
	members   map[*subscriber]struct{}
	owners    map[string]bool  // that the server has on its list
	confirmed map[string]int64 // by lane, the last number that the server gave a message
	closed    bool
	why       error // of the last try; nil: the server answers
}

var (
	_ bus.Broker = (*broker)(nil)
	_ bus.Admin  = (*broker)(nil)
)

var errNotTried = errors.New("it has not answered yet")

func connect(client goredis.UniversalClient, shown string, log *slog.Logger) *broker {
	b := &broker{
		client: client, scripts: newScripts(), shown: shown, log: log.With("broker", shown), ended: make(chan struct{}),
		members: map[*subscriber]struct{}{}, owners: map[string]bool{}, confirmed: map[string]int64{}, why: errNotTried,
	}
	b.watch.Go(b.look)
	return b
}

// lookEvery is how often it is looked whether the server answers.
const lookEvery = time.Second

// look pings the server until the broker is closed, and says when it is away.
func (b *broker) look() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-b.ended
		cancel()
	}()
	away.Watch{
		Every: lookEvery, Log: b.log,
		Ping: func(ctx context.Context) error { return b.client.Ping(ctx).Err() },
		Seen: func(ctx context.Context, err error, again bool) {
			b.note(err)
			if again {
				b.settings(ctx)
			}
		},
	}.Run(ctx)
}

// settings warns of a server that may lose what it confirmed, where it tells.
func (b *broker) settings(ctx context.Context) {
	for name, want := range map[string]string{"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"} {
		is, err := b.client.ConfigGet(ctx, name).Result()
		if got := is[name]; err == nil && got != want {
			b.log.Warn("the broker may lose events: set it on the server, for its setting is another", "setting", name, "is", got, "want", want)
		}
	}
}

// note keeps how the last try went.
func (b *broker) note(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.why = err
}

// Away returns nil while the server answers, else problem.Unavailable, which names its
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
	return problem.Wrap(b.why, problem.Unavailable, "the Redis server at %s is away", b.shown).WithRetryAfter(away.LongPause)
}

// Caps says what the driver does with Redis.
func (b *broker) Caps() bus.Caps {
	return bus.Caps{Order: true, Dedup: true, Count: true, Delay: true, Batch: true, MaxData: bus.MaxData, Lease: lease}
}

// run carries out a script until the server has answered, refuses for a reason that
// will not pass, or ctx ends.
func (b *broker) run(ctx context.Context, script *goredis.Script, keys []string, args ...any) (answer any, err error) {
	err = b.insist(ctx, func(ctx context.Context) error {
		answer, err = script.Run(ctx, b.client, keys, args...).Result()
		return err
	})
	return answer, err
}

// insist tries what until it succeeds, fails for a reason that will not pass, or ctx ends.
func (b *broker) insist(ctx context.Context, what func(ctx context.Context) error) error {
	var last error
	for failures := 0; ; failures++ {
		if err := b.open(ctx); err != nil {
			return gaveUp(b.shown, err, last)
		}
		err := what(ctx)
		if err == nil || errors.Is(err, goredis.Nil) {
			return nil
		}
		if e := b.open(ctx); e != nil {
			return gaveUp(b.shown, e, err)
		}
		if !passes(err) {
			return err
		}
		last = err
		if err := b.rest(ctx, away.Pause(failures)); err != nil {
			return gaveUp(b.shown, err, last)
		}
	}
}

// open returns why nothing is to be tried any more.
func (b *broker) open(ctx context.Context) error {
	select {
	case <-b.ended:
		return bus.ErrClosed
	default:
		return ctx.Err()
	}
}

// rest waits for d, or less when ctx or the broker ends.
func (b *broker) rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-b.ended:
	}
	return b.open(ctx)
}

// gaveUp returns the end of a caller's context with what it was waiting for.
func gaveUp(shown string, ended, last error) error {
	if last == nil || errors.Is(ended, bus.ErrClosed) {
		return ended
	}
	return problem.Wrap(fmt.Errorf("redis: the server at %s did not do it in time: %w: %w", shown, last, ended), problem.Unavailable, "the broker is not available")
}

// passes reports whether the same may succeed later without anybody's doing: the server
// is away, starting, full, or hands over to another.
func passes(err error) bool {
	e, ok := errors.AsType[goredis.Error](err)
	if !ok {
		return true
	}
	first, _, _ := strings.Cut(e.Error(), " ")
	switch first {
	case "LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY", "OOM", "MISCONF", "NOREPLICAS", "MOVED", "ASK", "UNBLOCKED":
		return true
	}
	return strings.HasPrefix(e.Error(), "ERR max number of clients")
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
	leaving.Wait()
	close(b.ended)
	b.watch.Wait()
	return b.client.Close()
}
