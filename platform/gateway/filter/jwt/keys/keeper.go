package keys

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Why there is no key for a token.
var (
	ErrUnknown = errors.New("the issuer has no such key")
	ErrAway    = errors.New("the keys of the issuer cannot be had")
)

// Fetch gets the keys of an issuer. It bounds itself.
type Fetch func(ctx context.Context) ([]*Key, error)

// Config says how a Keeper keeps keys fresh.
type Config struct {
	Fetch   Fetch         // nil: keys come by [Keeper.Set] only
	Refresh time.Duration // between fetches that went well; 0: 5 min
	// Again is the least time between two fetches because of a token of an unknown key, so
	// that made-up ids do not make us ask all the time; 0: 10 s.
	Again time.Duration
	Log   *slog.Logger
	// File keeps the keys that were fetched, so that they are there after a restart too while
	// the issuer is away; "": none.
	File string
	// Changed is called after a key went or came; nil: nobody is told.
	Changed func()
	// Fetched is told of each fetch; nil: nobody is.
	Fetched func(err error)
}

// Keeper has the keys of one issuer. What it had last counts as long as the issuer is away.
// It is safe for concurrent use.
type Keeper struct {
	cfg    Config
	keys   atomic.Pointer[[]*Key] // nil: there never were any
	ctx    context.Context        //nolint:containedctx // of the Keeper's goroutines
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	flight *flight   // the fetch that is under way
	began  time.Time // the last one
	closed bool
}

type flight struct {
	done chan struct{}
	err  error
}

// New returns a Keeper, which fetches until Close or the end of ctx.
func New(ctx context.Context, cfg Config) *Keeper {
	if cfg.Refresh <= 0 {
		cfg.Refresh = 5 * time.Minute
	}
	if cfg.Again <= 0 {
		cfg.Again = 10 * time.Second
	}
	k := &Keeper{cfg: cfg}
	k.ctx, k.cancel = context.WithCancel(ctx)
	k.recall()
	if cfg.Fetch != nil {
		k.done.Go(k.stay)
	}
	return k
}

// Close ends the fetching. [Keeper.Find] goes on with the keys there are.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.cancel()
	k.done.Wait()
}

// maxWait bounds how long a request waits for keys.
const maxWait = 3 * time.Second

// Find returns the keys that may have signed a token with this algorithm and id, "" when it
// names none. When there is none the issuer is asked, as often as Config.Again allows. The
// error is [ErrUnknown] or [ErrAway].
func (k *Keeper) Find(ctx context.Context, id, alg string) ([]*Key, error) {
	if found := fitting(k.now(), id, alg); len(found) > 0 {
		return found, nil
	}
	k.refresh(ctx, k.cfg.Again)
	if found := fitting(k.now(), id, alg); len(found) > 0 {
		return found, nil
	}
	if k.keys.Load() == nil {
		return nil, ErrAway
	}
	return nil, ErrUnknown
}

// Renew asks the issuer, as often as Config.Again allows, and reports whether it has other
// keys now: for tokens that name no key, and whose signature is that of none.
func (k *Keeper) Renew(ctx context.Context) bool {
	before := k.keys.Load()
	k.refresh(ctx, k.cfg.Again)
	after := k.keys.Load()
	return after != nil && (before == nil || !slices.Equal(*before, *after))
}

func (k *Keeper) now() []*Key {
	if p := k.keys.Load(); p != nil {
		return *p
	}
	return nil
}

// Set takes other keys into use. Those that are there already stay, with what they verified.
// It reports whether any went or came.
func (k *Keeper) Set(keys []*Key) (changed bool) {
	k.mu.Lock()
	before := k.now()
	next := make([]*Key, len(keys))
	changed = len(keys) != len(before)
	for i, n := range keys {
		next[i] = n
		at := slices.IndexFunc(before, func(b *Key) bool { return b.sum == n.sum && b.ID == n.ID && b.alg == n.alg })
		if at >= 0 {
			next[i] = before[at]
		} else {
			changed = true
		}
	}
	k.keys.Store(&next)
	for _, b := range before {
		if !slices.Contains(next, b) {
			b.gone.Store(true)
			changed = true
		}
	}
	k.mu.Unlock()
	if changed && k.cfg.Changed != nil {
		k.cfg.Changed()
	}
	return changed
}

// refresh waits for a fetch, and begins one unless the last began too lately.
func (k *Keeper) refresh(ctx context.Context, least time.Duration) {
	f := k.begin(least)
	if f == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	select {
	case <-f.done:
	case <-ctx.Done():
	}
}

// begin returns the fetch under way, or a new one; nil when it is too early for one.
func (k *Keeper) begin(least time.Duration) *flight {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight != nil {
		return k.flight
	}
	if k.keys.Load() == nil {
		least = min(least, time.Second) // nothing works without them
	}
	if k.cfg.Fetch == nil || k.closed || !k.began.IsZero() && time.Since(k.began) < least {
		return nil
	}
	f := &flight{done: make(chan struct{})}
	k.flight, k.began = f, time.Now()
	k.done.Go(func() { k.fetch(f) })
	return f
}

func (k *Keeper) fetch(f *flight) {
	ctx, cancel := context.WithTimeout(k.ctx, 10*time.Second)
	defer cancel()
	keys, err := k.cfg.Fetch(ctx)
	if err == nil && k.Set(keys) {
		k.keep(keys)
	}
	f.err = err
	if k.cfg.Fetched != nil && k.ctx.Err() == nil {
		k.cfg.Fetched(err)
	}
	k.mu.Lock()
	k.flight = nil
	k.mu.Unlock()
	close(f.done)
}

// stay fetches until the Keeper is closed: soon again after a failure, else as Refresh says.
func (k *Keeper) stay() {
	failures := 0
	for k.ctx.Err() == nil {
		pause := k.cfg.Refresh
		if f := k.begin(0); f != nil {
			<-f.done
			switch {
			case f.err == nil && failures > 0:
				k.cfg.Log.Info("the keys of the issuer are there again")
				failures = 0
			case f.err != nil:
				if failures == 0 && k.ctx.Err() == nil {
					k.cfg.Log.Warn("the keys of the issuer cannot be had; those that are known still count", "error", f.err)
				}
				failures++
				pause = min(time.Second<<min(failures-1, 5), pause)
			}
		}
		pause -= time.Duration(rand.Int64N(int64(pause)/10 + 1)) // so that many edges do not come at once
		select {
		case <-k.ctx.Done():
		case <-time.After(pause):
		}
	}
}

// FetchNow begins a fetch, unless one is under way, whatever Config says of how often.
func (k *Keeper) FetchNow() { k.begin(0) }
