package broker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/problem"
)

func TestWhatALargerLimitIsWorth(t *testing.T) {
	for _, tc := range []struct {
		now, anew int64
		want      bool
	}{
		{1 << 20, 4 << 20, false},
		{1 << 20, 6 << 20, true},
		{100 << 20, 105 << 20, false},
		{100 << 20, 111 << 20, true},
		{100 << 30, 102 << 30, true},
		{100 << 20, 50 << 20, false},
	} {
		if got := worth(tc.now, tc.anew); got != tc.want {
			t.Errorf("%d to %d: %v", tc.now, tc.anew, got)
		}
	}
}

// TestAStoreStartedOnANearlyFullDisk starts with next to nothing free, and makes room.
func TestAStoreStartedOnANearlyFullDisk(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	free.Store(2 << 20)
	dir := t.TempDir()
	start := func() *Server {
		s, err := open(t.Context(), Config{StoreDir: dir}, func(string) (int64, error) { return free.Load(), nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := start()
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = s.Watch(ctx) })
	defer watching.Wait()
	defer cancel()
	connection, err := nats.Driver.OpenBus(t.Context(), s.URL(), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	publish := func(id string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		return connection.Publish(ctx, []bus.Msg{{ID: id, Source: "/test", Topic: "orders.placed", Key: "k", Data: make([]byte, 300<<10)}})[0].Err
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for !ok() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("waited in vain until %s", what)
			}
		}
	}
	stored := 0
	for ; err == nil && stored < 20; stored++ {
		err = publish(fmt.Sprint("small", stored))
	}
	if problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "store is full") {
		t.Fatalf("after %d: %v", stored, err)
	}
	until("the server says so", func() bool { return s.Err() != nil })
	if err := s.Err(); problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "limit is 1 MiB: make room on its disk") {
		t.Error(err)
	}
	if s.failed() != nil {
		t.Error("a store that is full is said to fail:", s.failed())
	}
	free.Store(40 << 20)
	until("there is room again", func() bool { return s.Err() == nil })
	for i := range 20 {
		if err := publish(fmt.Sprint("more", i)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	watching.Wait()
	s.Stop()

	free.Store(4 << 20) // less than what is held
	s2 := start()
	defer s2.Stop()
	if limit := s2.running.JetStreamConfig().MaxStore; limit < 8<<20 {
		t.Errorf("what is held does not count: the limit is %d", limit)
	}
	again, err := nats.Driver.OpenBus(t.Context(), s2.URL(), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	connection = again
	if err := publish("after-the-restart"); err != nil {
		t.Error(err)
	}
}

func TestALimitThatWasSetStays(t *testing.T) {
	t.Parallel()
	s, err := open(t.Context(), Config{StoreDir: t.TempDir(), MaxStore: 1 << 20}, func(string) (int64, error) { return 1 << 40, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	s.said.Errorf("JetStream %s resource limits exceeded for server", "file")
	before := s.running
	s.watchLimit()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "was set") || s.running != before {
		t.Error(err)
	}
}
