package bus_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
)

// Whatever fails, panics, hangs or crashes, and whenever: of each key the messages have
// their first effect in the order in which they were published.
func TestOrderPerKeyWhateverFails(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { orderPerKey(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func orderPerKey(t *testing.T, seed uint64) {
	random, handlers := rand.New(rand.NewPCG(seed, 11)), rand.New(rand.NewPCG(seed, 12)) // the second under mu
	b, parking := memory.New(), memory.NewParking()
	var mu sync.Mutex
	effects := map[string][]string{} // by key
	done := map[string]bool{}
	inHand := 0
	handle := func(ctx context.Context, d bus.Delivery) error {
		mu.Lock()
		chance, wait := handlers.IntN(100), time.Duration(handlers.IntN(40))*time.Millisecond
		inHand++
		mu.Unlock()
		defer func() {
			mu.Lock()
			inHand--
			mu.Unlock()
		}()
		switch {
		case chance < 12:
			return errors.New("by chance")
		case chance < 14:
			panic("by chance")
		case chance < 16:
			return bus.Final(errors.New("by chance, for good"))
		case chance < 18:
			wait = 6 * time.Second // longer than a lease
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		mu.Lock()
		if !done[d.ID] {
			done[d.ID] = true
			effects[d.Key] = append(effects[d.Key], d.ID)
		}
		mu.Unlock()
		if chance < 22 {
			return errors.New("by chance, after the effect")
		}
		return nil
	}
	member := func() (conn *memory.Broker, stop func() error) {
		conn = b.Connect()
		c := &bus.Consumer{Broker: conn, Group: "g", Parking: parking, Retry: bus.Backoff{Attempts: 3}, Workers: 4}
		on(t, c, "orders.*", handle)
		return conn, start(t, c)
	}
	type running struct {
		conn *memory.Broker
		stop func() error
	}
	var members []running
	join := func() {
		conn, stop := member()
		members = append(members, running{conn, stop})
	}
	join()
	join()
	want := map[string][]string{}
	total := 0
	for range 30 {
		var batch []bus.Msg
		for range 1 + random.IntN(8) {
			m := msg(fmt.Sprint("m", total), fmt.Sprint("k", random.IntN(9)))
			m.Topic = []string{"orders.placed", "orders.failed"}[total%2]
			if random.IntN(20) == 0 {
				m.NotBefore = time.Now().Add(time.Second)
			}
			want[m.Key] = append(want[m.Key], m.ID)
			batch = append(batch, m)
			total++
		}
		publish(t, b, batch...)
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
		switch i := random.IntN(len(members)); random.IntN(8) {
		case 0: // one more replica
			join()
		case 1: // one is killed
			members[i].conn.Close()
			_ = members[i].stop() // it was killed
			members = slices.Delete(members, i, i+1)
			join()
		case 2: // one ends
			if err := members[i].stop(); err != nil {
				t.Error(err)
			}
			members = slices.Delete(members, i, i+1)
			join()
		case 3: // the broker restarts
			b.Stop()
			time.Sleep(time.Duration(random.IntN(6000)) * time.Millisecond)
			b.Start()
		}
	}
	for start := time.Now(); time.Since(start) < time.Hour; time.Sleep(time.Second) {
		parking.Redrive("g")
		// A member that lost its lease may still be handling what another has done, and
		// park it, and what nobody answered for comes again: both are waited for.
		synctest.Wait()
		mu.Lock()
		all := len(done) == total && inHand == 0
		mu.Unlock()
		if all && settled(t, b) && len(parking.List()) == 0 {
			break
		}
	}
	for _, m := range members {
		if err := m.stop(); err != nil {
			t.Error(err)
		}
	}
	for key, ids := range want {
		if !slices.Equal(effects[key], ids) {
			t.Errorf("%s: %v, want %v", key, effects[key], ids)
		}
	}
	if left := parking.List(); len(left) > 0 {
		t.Errorf("%d are still parked, the first %+v", len(left), left[0])
	}
}

// settled reports whether the broker has nothing left of any group.
func settled(t *testing.T, b *memory.Broker) bool {
	t.Helper()
	groups, err := b.Groups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return !slices.ContainsFunc(groups, func(g bus.GroupInfo) bool { return g.Lag > 0 })
}
