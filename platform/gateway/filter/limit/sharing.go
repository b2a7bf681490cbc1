package limit

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/drivers/nats/kv"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

const (
	bookEvery = 500 * time.Millisecond // what was used of the own part; also how often gateways are counted
	gather    = time.Millisecond       // others join a question to the store
	patience  = 25 * time.Millisecond  // a request's, for the store's answer
	maxWait   = 1000                   // requests that wait at the same time
	storeTime = time.Second            // for one answer of the store
	perTrip   = 256                    // keys of one question
)

// sharing books and leases for a filter, on one goroutine.
type sharing struct {
	f        *Filter
	store    cache.Shared
	owned    *kv.Store // to be closed; nil: another's
	log      *slog.Logger
	id       string // of this gateway among the others
	members  string // the key under which they are counted
	gateways int

	mu      sync.Mutex
	late    []ref // booked every now and then
	soon    []ref // asked for at once
	kick    chan struct{}
	waiting atomic.Int64
	away    atomic.Bool
	told    bool // that it is away
	stop    context.CancelFunc
	done    chan struct{}
}

// ref is a key of a rule.
type ref struct {
	rule *rule
	key  string
}

func share(f *Filter, env filter.Env, s Sharing) (*sharing, error) {
	sh := &sharing{
		f: f, store: env.Store, log: env.Log, id: rand.Text(), members: "limit/" + env.Name + "//gateways",
		kick: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if sh.store == nil {
		opened, err := kv.Open(env.Bus, kv.Config{Bucket: "limits", Client: "edge", Log: env.Log})
		if err != nil {
			return nil, problem.Wrap(err, problem.InvalidArgument, "the filter cannot be made so").WithField("shared", err.Error())
		}
		sh.store, sh.owned = opened, opened
	}
	sh.away.Store(true) // until it answered once
	sh.divide(cmp.Or(s.Gateways, 2))
	ctx, stop := context.WithCancel(context.Background())
	sh.stop = stop
	go sh.run(ctx)
	return sh, nil
}

// close books what is left, leaves the others, and ends.
func (s *sharing) close() error {
	s.stop()
	<-s.done
	if s.owned != nil {
		return s.owned.Close()
	}
	return nil
}

// divide gives this gateway its part among so many.
func (s *sharing) divide(gateways int) {
	if gateways == s.gateways {
		return
	}
	s.gateways = gateways
	s.f.gateways.Set(float64(gateways))
	for _, rl := range s.f.rules {
		part := rl.Rate.Share(gateways)
		rl.part.Store(&part)
	}
}

// book notes that one request of the own part is to be booked. The entry is locked, here
// and below.
func (s *sharing) book(rl *rule, l *lease, key []byte) {
	l.debt++
	if !l.late {
		l.late = true
		s.mu.Lock()
		s.late = append(s.late, ref{rl, string(key)})
		s.mu.Unlock()
	}
}

// mayHave reports whether it is worth to ask for a key.
func (s *sharing) mayHave(l *lease, now time.Time) bool {
	return !s.away.Load() && !now.Before(l.none)
}

// renew asks for more before all of a lease is used.
func (s *sharing) renew(rl *rule, l *lease, key []byte, now time.Time) {
	if l.have <= l.used/2 && s.mayHave(l, now) {
		l.want = max(l.want, 1)
		s.hurry(rl, l, key)
	}
}

// ask asks for one and returns what is closed by the answer; nil when there is nothing to
// hope for.
func (s *sharing) ask(rl *rule, l *lease, key []byte, now time.Time) <-chan struct{} {
	if !s.mayHave(l, now) || s.waiting.Load() >= maxWait {
		return nil
	}
	l.want++
	if l.wake == nil {
		l.wake = make(chan struct{})
	}
	s.hurry(rl, l, key)
	return l.wake
}

func (s *sharing) hurry(rl *rule, l *lease, key []byte) {
	if l.soon {
		return
	}
	l.soon = true
	s.mu.Lock()
	s.soon = append(s.soon, ref{rl, string(key)})
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// await waits for the store's answer.
func (s *sharing) await(ctx context.Context, wake <-chan struct{}) bool {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-wake:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// run talks to the store until ctx ends.
func (s *sharing) run(ctx context.Context) {
	defer close(s.done)
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
			if !s.away.Load() {
				s.settle(end, s.take(&s.late), false)
				s.leave(end)
			}
			cancel()
			s.answer(s.take(&s.soon)) // nobody need wait for it
			return
		case <-s.kick:
			rest(ctx, gather)
			s.settle(ctx, s.take(&s.soon), true)
		case <-tick.C:
			s.count(ctx)
			s.settle(ctx, s.take(&s.late), false)
			tick.Reset(bookEvery - mathrand.N(bookEvery/4))
		}
	}
}

// take empties a list.
func (s *sharing) take(list *[]ref) []ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	refs := *list
	*list = nil
	return refs
}

// says has the log and the metrics tell when the store goes away and comes back.
func (s *sharing) says(err error) {
	s.away.Store(err != nil)
	switch {
	case err == nil:
		s.f.up.Set(1)
		if s.told {
			s.log.Info("the store of shared limits answers again", "gateways", s.gateways)
		}
		s.told = false
	default:
		s.f.up.Set(0)
		if !s.told {
			s.told = true
			s.log.Warn("the store of shared limits is away: this gateway keeps to its part of them", "gateways", s.gateways, "error", err)
		}
	}
}
