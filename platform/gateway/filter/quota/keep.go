package quota

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/drivers/nats/kv"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/keyed"
	"github.com/musterdev/muster/problem"
)

const (
	keepEvery = 400 * time.Millisecond // more or less a fifth
	storeTime = time.Second            // for one answer of the store
	perTrip   = 256                    // keys of one question
)

// keeping keeps what is counted, on one goroutine.
type keeping struct {
	f     *Filter
	log   *slog.Logger
	store cache.Shared // nil: there is a file
	owned *kv.Store    // to be closed; nil: another's
	file  *file
	at    string // before the keys in the store

	mu   sync.Mutex
	refs []ref  // entries with something to keep
	old  []gone // of windows that ended meanwhile
	kick chan struct{}
	told bool // that it cannot be kept
	stop context.CancelFunc
	done chan struct{}
}

type ref struct {
	rule *rule
	key  string
}

// gone is what was counted in a window that has ended before it was kept.
type gone struct {
	ref

	window, end, fresh int64
}

func keep(f *Filter, env filter.Env, c Config) (*keeping, error) {
	k := &keeping{f: f, log: env.Log, store: env.Store, at: "quota/" + env.Name + "/", kick: make(chan struct{}, 1), done: make(chan struct{})}
	mistake := func(field string, err error) error {
		return problem.Wrap(err, problem.InvalidArgument, "the filter cannot be made so").WithField(field, err.Error())
	}
	switch {
	case c.Shared && k.store == nil && env.Bus != "":
		opened, err := kv.Open(env.Bus, kv.Config{Bucket: "quotas", Durable: true, Client: "edge", Log: env.Log})
		if err != nil {
			return nil, mistake("shared", err)
		}
		k.store, k.owned = opened, opened
	case !c.Shared || k.store == nil:
		if c.Shared {
			env.Log.Warn("a shared quota is shared with nobody: this edge has no broker", "filter", env.Name)
		}
		k.store = nil
		path := pathOf(c.File, env)
		if path == "" {
			return nil, nil
		}
		opened, err := openFile(path, f.rules, time.Now())
		if err != nil {
			return nil, mistake("file", err)
		}
		k.file = opened
	}
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	go k.run(ctx)
	return k, nil
}

func (k *keeping) close() error {
	k.stop()
	<-k.done
	if k.file != nil {
		return k.file.close()
	}
	if k.owned != nil {
		return k.owned.Close()
	}
	return nil
}

// note notes that an entry has something to keep. It is locked, here and below.
func (k *keeping) note(rl *rule, e *entry, key []byte) {
	e.shared = k.store != nil
	if e.waiting {
		return
	}
	e.waiting = true
	k.mu.Lock()
	k.refs = append(k.refs, ref{rl, string(key)})
	k.mu.Unlock()
	if e.shared && !e.known { // it must soon be known what others counted
		select {
		case k.kick <- struct{}{}:
		default:
		}
	}
}

// closed keeps what is left of a window that has ended.
func (k *keeping) closed(rl *rule, key string, e *entry) {
	if k.store == nil {
		return // nobody asks for it any more
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.old) < keyed.DefaultKeys {
		k.old = append(k.old, gone{ref{rl, key}, e.window, e.end, e.fresh})
	}
}

func (k *keeping) run(ctx context.Context) {
	defer close(k.done)
	tick := time.NewTimer(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
			k.keep(end)
			cancel()
			return
		case <-k.kick:
		case <-tick.C:
		}
		k.keep(ctx)
		tick.Reset(keepEvery*4/5 + rand.N(keepEvery*2/5))
	}
}

// keep keeps all that is noted.
func (k *keeping) keep(ctx context.Context) {
	k.mu.Lock()
	refs, old := k.refs, k.old
	k.refs, k.old = nil, nil
	k.mu.Unlock()
	counts := make([]gone, 0, len(refs)+len(old))
	counts = append(counts, old...)
	for _, r := range refs {
		s, e, ok := r.rule.table.Find(r.key)
		if !ok {
			continue
		}
		e.waiting = false
		counts = append(counts, gone{r, e.window, e.end, e.fresh})
		s.Unlock()
	}
	for len(counts) > 0 {
		n := min(len(counts), perTrip)
		var err error
		if k.file != nil {
			err = k.write(counts[:n])
		} else {
			err = k.add(ctx, counts[:n])
		}
		k.says(err)
		counts = counts[n:]
	}
}

// add adds counts to those in the store.
func (k *keeping) add(ctx context.Context, counts []gone) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	totals := make([]int64, len(counts))
	keys := make([]string, len(counts))
	for i, c := range counts {
		keys[i] = k.at + c.rule.Name + "/" + strconv.FormatInt(c.window, 10) + "/" + c.key
	}
	done, err := keyed.Update(ctx, k.store, keys, func(i int, held []byte) ([]byte, time.Duration) {
		c := counts[i]
		totals[i] = c.fresh
		if len(held) == 8 {
			totals[i] += int64(binary.BigEndian.Uint64(held)) //nolint:gosec // as written
		}
		return binary.BigEndian.AppendUint64(nil, uint64(totals[i])), time.Until(time.Unix(c.end, 0)) + time.Minute //nolint:gosec // and back
	})
	for i, c := range counts {
		if err != nil || !done[i] {
			k.again(c)
			continue
		}
		k.settle(c, totals[i])
	}
	return err
}

// settle notes that a count is kept, and what it is with that of others.
func (k *keeping) settle(c gone, total int64) {
	s, e, ok := c.rule.table.Find(c.key)
	if !ok {
		return
	}
	defer s.Unlock()
	if e.window != c.window {
		return
	}
	e.total, e.known = total, true
	e.fresh -= c.fresh
}

// again has a count kept later. One that may have been kept is kept twice: rather too few
// pass than too many.
func (k *keeping) again(c gone) {
	s, e, ok := c.rule.table.Find(c.key)
	if !ok {
		return
	}
	defer s.Unlock()
	if e.window == c.window && !e.waiting && e.fresh > 0 {
		e.waiting = true
		k.mu.Lock()
		k.refs = append(k.refs, c.ref)
		k.mu.Unlock()
	}
}

func (k *keeping) write(counts []gone) error {
	err := k.file.append(counts)
	for _, c := range counts {
		if err != nil {
			k.again(c)
			continue
		}
		s, e, ok := c.rule.table.Find(c.key)
		if !ok {
			continue
		}
		if e.window == c.window {
			e.total += c.fresh
			e.fresh -= c.fresh
		}
		s.Unlock()
	}
	if err == nil {
		err = k.file.compact(k.f.rules, time.Now())
	}
	return err
}

// says has the log tell when counts cannot be kept, and when they can again.
func (k *keeping) says(err error) {
	switch {
	case err != nil && !k.told:
		k.told = true
		k.log.Error("what quotas count cannot be kept: it is counted in memory until it can", "error", err)
	case err == nil && k.told:
		k.told = false
		k.log.Info("what quotas count is kept again")
	}
}
