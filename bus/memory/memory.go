// Package memory is a broker, and a parking, in the memory of one process: for tests,
// where everything a real one does is wanted but no server. Under testing/synctest its
// delays and leases take no time. What it stores is kept until it is dropped.
package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
)

// Lease is how long a delivery may go without a sign.
const Lease = 4 * time.Second

// Broker is a connection to a broker in memory. [New] makes the broker and the first
// connection to it, [Broker.Connect] another.
type Broker struct {
	*server
	closed      bool // guarded by server.mu
	subscribers []*subscriber
}

var (
	_ bus.Broker = (*Broker)(nil)
	_ bus.Admin  = (*Broker)(nil)
)

// server is what the connections share.
type server struct {
	mu      sync.Mutex
	away    bool
	waiters map[chan struct{}]struct{} // each is closed at the next change

	seq    uint64
	log    []stored
	known  map[string]bool // source and ID
	groups map[string]*group
}

type stored struct {
	bus.Msg
	seq uint64
	at  time.Time
}

// New returns a connection to a new, empty broker.
func New() *Broker {
	return &Broker{server: &server{
		waiters: map[chan struct{}]struct{}{}, known: map[string]bool{}, groups: map[string]*group{},
	}}
}

// Connect returns one more connection to the same broker, as another process has.
func (b *Broker) Connect() *Broker { return &Broker{server: b.server} }

// Stop makes the broker be away until Start: calls wait. What was delivered and is not
// settled is delivered again afterwards, as when a server restarts.
func (b *Broker) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = true
	for _, g := range b.groups {
		g.forget(func(*entry) bool { return true })
	}
	b.changed()
}

// Start brings a broker that was stopped back.
func (b *Broker) Start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = false
	b.changed()
}

// Caps returns what the broker does by itself.
func (b *Broker) Caps() bus.Caps {
	return bus.Caps{Order: true, Dedup: true, Count: true, Delay: true, MaxData: bus.MaxData, Lease: Lease}
}

// Publish stores messages; see bus.Publisher.
func (b *Broker) Publish(ctx context.Context, msgs []bus.Msg) []bus.Result {
	results := make([]bus.Result, len(msgs))
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.ready(ctx); err != nil {
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	refused := map[string]bool{} // by stream and key
	for i, m := range msgs {
		lane := laneOf(m)
		switch err := m.Validate(); {
		case err != nil:
			results[i].Err = err
			refused[lane] = true
		case m.Key != "" && refused[lane]:
			results[i].Err = bus.ErrBehind
		case b.known[m.Source+" "+m.ID]: // neither has a space
			results[i].Known = true
		default:
			b.store(m)
		}
	}
	b.changed()
	return results
}

// ready waits, with the lock held before and after, until the broker is there.
func (b *Broker) ready(ctx context.Context) error {
	for {
		switch {
		case b.closed:
			return bus.ErrClosed
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !b.away:
			return nil
		}
		b.wait(ctx, time.Time{})
	}
}

func (s *server) store(m bus.Msg) {
	m.Extensions, m.Data = maps.Clone(m.Extensions), slices.Clone(m.Data)
	m.Time, m.NotBefore = m.Time.UTC(), m.NotBefore.UTC()
	s.seq++
	e := stored{m, s.seq, time.Now()}
	s.known[m.Source+" "+m.ID] = true
	s.log = append(s.log, e)
	for _, g := range s.groups {
		g.offer(e)
	}
}

// wait gives the lock up until something changes, until a time that is not zero, or
// until ctx ends.
func (s *server) wait(ctx context.Context, until time.Time) {
	change := make(chan struct{})
	s.waiters[change] = struct{}{}
	s.mu.Unlock()
	var due <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-change:
	case <-due:
	case <-ctx.Done():
	}
	s.mu.Lock()
	delete(s.waiters, change)
}

// changed has all who wait look again. The lock is held.
func (s *server) changed() {
	for change := range s.waiters {
		close(change)
		delete(s.waiters, change)
	}
}

// Close ends the connection; see bus.Broker.
func (b *Broker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, s := range b.subscribers {
		s.leave()
	}
	b.changed()
	return nil
}

// Topics returns the topics that have messages.
func (b *Broker) Topics(ctx context.Context) ([]bus.TopicInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	topics, last := map[string]bus.TopicInfo{}, map[string]time.Time{}
	for _, e := range b.log {
		info := topics[e.Topic]
		topics[e.Topic] = bus.TopicInfo{Name: e.Topic, Messages: info.Messages + 1}
		last[streamOf(e.Topic)] = e.at
	}
	var all []bus.TopicInfo
	for _, info := range topics {
		info.Last = last[streamOf(info.Name)]
		all = append(all, info)
	}
	slices.SortFunc(all, func(a, b bus.TopicInfo) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Groups returns the groups and how far they are behind.
func (b *Broker) Groups(ctx context.Context) ([]bus.GroupInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	var all []bus.GroupInfo
	for _, name := range slices.Sorted(maps.Keys(b.groups)) {
		g := b.groups[name]
		lag, out := g.lag()
		all = append(all, bus.GroupInfo{Name: name, Topics: slices.Clone(g.topics), Lag: lag.Messages, Oldest: lag.Oldest, Pending: out})
	}
	return all, nil
}

// streamOf returns what topics that are kept in one order share.
func streamOf(topic string) string {
	first, _, _ := strings.Cut(topic, ".")
	return first
}

// laneOf returns what messages that come one after the other share.
func laneOf(m bus.Msg) string { return streamOf(m.Topic) + " " + m.Key }
