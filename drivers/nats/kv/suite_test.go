package kv_test

import (
	"testing"
	"time"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/cache/cachetest"
	"github.com/musterdev/muster/drivers/nats/kv"
	"github.com/musterdev/muster/drivers/nats/natstest"
)

func TestTheSuite(t *testing.T) {
	s := natstest.Start(t, nil)
	cachetest.Run(t, cachetest.Target{
		Open:  func(t *testing.T) cache.Shared { return open(t, s.URL(), false) },
		Stop:  func(*testing.T) { s.Stop() },
		Start: func(*testing.T) { s.Start() },
	})
}

// What is durable is there after a restart of the server; what is not is forgotten, and the
// store goes on.
func TestARestart(t *testing.T) {
	for durable, want := range map[bool]string{true: "new", false: ""} {
		s := natstest.Start(t, nil)
		store := open(t, s.URL(), durable)
		change := []cache.Change{{Key: "k", New: []byte("new"), TTL: time.Hour}}
		set := func() (done bool) {
			for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				if all, err := store.Set(t.Context(), change); err == nil {
					return all[0]
				}
			}
			t.Fatal("the store does not come back")
			return false
		}
		if !set() {
			t.Fatal("what is not there is held already")
		}
		s.Restart()
		if set() != (want == "") {
			t.Errorf("durable %v: after a restart the key is there: %v", durable, want == "")
		}
	}
}

func open(t *testing.T, url string, durable bool) *kv.Store {
	t.Helper()
	store, err := kv.Open(url, kv.Config{Bucket: "test", Durable: durable, Client: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func TestOpen(t *testing.T) {
	for _, c := range []struct{ url, bucket string }{{"redis://127.0.0.1", "a"}, {"nats://127.0.0.1:1", ""}, {"nats://127.0.0.1:1", "a.b"}} {
		if s, err := kv.Open(c.url, kv.Config{Bucket: c.bucket}); err == nil {
			_ = s.Close()
			t.Errorf("%v is taken", c)
		}
	}
}
