package outboxtest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
)

var errAway = errors.New("the broker is away")

// broker is a fake that keeps what is published, knows it again, and fails as it is
// told.
type broker struct {
	mu     sync.Mutex
	known  map[string]bool
	stored []bus.Msg // in their order, each once
	asked  []int     // how many messages each call had

	// fault, when it returns an error, has a message refused, and those after it of the
	// same key and call.
	fault func(m bus.Msg) error
	// before is called before anything is stored, after when all is. What they return is
	// the result of the whole call.
	before, after func(ctx context.Context, msgs []bus.Msg) error
}

func newBroker() *broker { return &broker{known: map[string]bool{}} }

func (b *broker) Publish(ctx context.Context, msgs []bus.Msg) []bus.Result {
	results := make([]bus.Result, len(msgs))
	all := func(hook func(context.Context, []bus.Msg) error) bool {
		if hook == nil {
			return false
		}
		err := hook(ctx, msgs)
		for i := range results {
			if err != nil {
				results[i] = bus.Result{Err: err}
			}
		}
		return err != nil
	}
	if all(b.before) {
		return results
	}
	b.store(msgs, results)
	all(b.after)
	return results
}

func (b *broker) store(msgs []bus.Msg, results []bus.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, len(msgs))
	behind := map[string]bool{}
	for i, m := range msgs {
		name := m.Source + " " + m.ID
		switch {
		case m.Key != "" && behind[m.Key]:
			results[i].Err = bus.ErrBehind
			continue
		case b.known[name]:
			results[i].Known = true
			continue
		case b.fault != nil:
			if results[i].Err = b.fault(m); results[i].Err != nil {
				behind[m.Key] = true
				continue
			}
		}
		b.known[name] = true
		b.stored = append(b.stored, m)
	}
}

// heal ends the faults.
func (b *broker) heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = nil
}

func (b *broker) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.stored)
}

func (b *broker) calls() []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.asked)
}

// events returns what is stored, by key.
func (b *broker) events(t *testing.T) map[string][]int {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string][]int{}
	for _, m := range b.stored {
		var e event
		dbtest.Succeed(t, json.Unmarshal(m.Data, &e))
		dbtest.Want(t, "key of the message of "+e.Key, m.Key, e.Key)
		all[e.Key] = append(all[e.Key], e.N)
	}
	return all
}

// wantOrder checks that the events of a key are numbered from 1 to n, in this order.
func (b *broker) wantOrder(t *testing.T, key string, n int) {
	t.Helper()
	got := b.events(t)[key]
	if len(got) != n {
		t.Errorf("%d events of %q, want %d: %v", len(got), key, n, got)
	}
	for i, e := range got {
		if e != i+1 {
			t.Errorf("the events of %q came as %v", key, got)
			return
		}
	}
}
