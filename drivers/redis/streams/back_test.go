//go:build unix

package streams_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/redis/redistest"
	"github.com/musterdev/muster/drivers/redis/streams"
)

// A server that has forgotten what it confirmed is told of once, and never while nothing is lost.
func TestAServerThatHasForgotten(t *testing.T) {
	s := redistest.Start(t)
	var said lines
	b, err := streams.Driver.OpenBus(t.Context(), "redis://"+s.Address(), "c", slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // a test that ends leaves nothing to lose
	next := 0
	publish := func(n int) {
		t.Helper()
		var all sync.WaitGroup
		for range n { // at once, and each twice
			next++
			m := bus.Msg{ID: fmt.Sprint(next), Source: "/test", Topic: "forgotten.made", Key: fmt.Sprint(next % 3), Time: time.Now(), ContentType: "application/json", Data: []byte("1")}
			all.Go(func() {
				for _, r := range b.Publish(t.Context(), []bus.Msg{m, m}) {
					if r.Err != nil {
						t.Error(r.Err)
					}
				}
			})
		}
		all.Wait()
	}
	c := goredis.NewClient(&goredis.Options{Addr: s.Address()})
	t.Cleanup(func() { _ = c.Close() }) // a test that ends leaves nothing to lose
	for falls := range 3 {
		publish(60)
		if n := strings.Count(said.all(), "the broker has lost events"); n != falls {
			t.Fatalf("told %d times of %d losses: %s", n, falls, said.all())
		}
		if err := c.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		publish(1)
		if n := strings.Count(said.all(), "the broker has lost events"); n != falls+1 {
			t.Fatalf("told %d times of %d losses: %s", n, falls+1, said.all())
		}
		publish(1) // which has the owner listed again
		if topics, err := b.(bus.Admin).Topics(t.Context()); err != nil || len(topics) != 1 {
			t.Errorf("topics: %v, %v", topics, err)
		}
	}
}
