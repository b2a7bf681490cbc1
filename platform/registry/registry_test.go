package registry

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

// run runs a registry until the returned function is called.
func run(t *testing.T, cfg Config) (*Registry, func()) {
	t.Helper()
	if cfg.Dial == nil {
		cfg.Dial = func(context.Context, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
	}
	r := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return r, stop
}

// catalog is what the registry shows.
func catalog(r *Registry) discovery.Catalog {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store.Catalog()
}

// watchAsync starts a watch whose answer comes by the channel.
func watchAsync(t *testing.T, r *Registry, query string) <-chan discovery.Changes {
	t.Helper()
	out := make(chan discovery.Changes, 1)
	go func() { out <- read[discovery.Changes](t, exchange(r, "GET", "/v1/watch?"+query, "")) }()
	return out
}

func TestLeaseEndsWithoutBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := run(t, Config{})
		reg := read[discovery.Registration](t, exchange(r, "PUT", "/v1/instances/c1", c1))
		began := time.Now()
		answer := watchAsync(t, r, "service=cart&index=1&epoch="+reg.Epoch)
		if got := showChanges(<-answer, true); got != "-c1 known cart" {
			t.Errorf("got %q", got)
		}
		if took := time.Since(began); took < 4*time.Second || took > 4*time.Second+250*time.Millisecond {
			t.Errorf("the lease of 4 s ended after %v", took)
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := run(t, Config{})
		reg := read[discovery.Registration](t, exchange(r, "PUT", "/v1/instances/c1", c1))
		at := "&index=1&epoch=" + reg.Epoch
		began := time.Now()
		mail := watchAsync(t, r, "service=mail&wait=3s"+at)
		all := watchAsync(t, r, "wait=3s"+at)
		cart := watchAsync(t, r, "service=stock&service=cart"+at)
		synctest.Wait()

		time.Sleep(time.Second)
		exchange(r, "PUT", "/v1/instances/c1", c1) // a beat is no news
		synctest.Wait()
		select {
		case c := <-all:
			t.Errorf("a beat woke a watch: %+v", c)
		default:
		}
		exchange(r, "PUT", "/v1/instances/c1/state", `{"state":"draining"}`)
		if got := showChanges(<-all, true); got != "+c1 known cart" {
			t.Errorf("watch of all: got %q", got)
		}
		if got := showChanges(<-cart, true); got != "+c1 known cart" {
			t.Errorf("watch of cart: got %q", got)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("woken after %v, want at once", took)
		}
		// the other service's watch ends with its time and moves on nevertheless
		if c := <-mail; showChanges(c, true) != "known" || c.Index != 2 || time.Since(began) != 3*time.Second {
			t.Errorf("watch of mail: got %+v after %v", c, time.Since(began))
		}
		last := watchAsync(t, r, "service=mail&index=2&epoch="+reg.Epoch)
		synctest.Wait()
		began = time.Now()
		stop()
		if c := <-last; c.Reset || time.Since(began) > 0 {
			t.Errorf("the end of the registry: got %+v after %v", c, time.Since(began))
		}
		if r.watches != 0 || len(r.waiting) != 0 {
			t.Errorf("%d watches and %d services are left", r.watches, len(r.waiting))
		}
	})
}

func TestWatchEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := run(t, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			req := httptest.NewRequestWithContext(ctx, "GET", "/v1/watch?service=mail&epoch="+r.store.epoch, nil)
			r.ServeHTTP(httptest.NewRecorder(), req)
			close(done)
		}()
		synctest.Wait()
		if r.watches != 1 {
			t.Fatalf("%d watches wait, want 1", r.watches)
		}
		cancel()
		<-done
		if r.watches != 0 || len(r.waiting) != 0 {
			t.Errorf("%d watches and %d services are left", r.watches, len(r.waiting))
		}
	})
}

// A change wakes the watches it concerns, and they alone: that is what makes many cheap.
func TestManyWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := run(t, Config{})
		began := time.Now()
		const services, each = 100, 20
		answers := make([][]<-chan discovery.Changes, services)
		for i := range services {
			for range each {
				answers[i] = append(answers[i], watchAsync(t, r, fmt.Sprintf("service=s%d&epoch=%s", i, r.store.epoch)))
			}
		}
		synctest.Wait()
		exchange(r, "PUT", "/v1/instances/x", `{"service":"s7"}`)
		synctest.Wait()
		for i, list := range answers {
			for _, answer := range list {
				select {
				case <-answer:
					if i != 7 {
						t.Errorf("a watch of s%d was woken by s7", i)
					}
				default:
					if i == 7 {
						t.Error("a watch of s7 was not woken")
					}
				}
			}
		}
		if time.Since(began) > 0 {
			t.Errorf("it took %v of fake time: something polls", time.Since(began))
		}
		time.Sleep(discovery.DefaultWait) // lets the others end
	})
}

func TestTooManyWatches(t *testing.T) {
	r := New(Config{})
	r.watches = maxWatches
	res := exchange(r, "GET", "/v1/watch?service=mail&wait=1s&epoch="+r.store.epoch, "")
	if res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("got %s", res.Status)
	}
	if res := exchange(r, "GET", "/v1/watch?service=mail", ""); res.StatusCode != http.StatusOK {
		t.Errorf("an answer that needs no waiting: got %s", res.Status)
	}
}

func TestMembershipSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "made", "registry.json")
		r, stop := run(t, Config{File: file})
		exchange(r, "PUT", "/v1/instances/c1", c1)
		exchange(r, "PUT", "/v1/instances/c1/state", `{"state":"draining"}`)
		first := r.store.epoch
		time.Sleep(saveDelay)
		synctest.Wait()
		killed, err := os.ReadFile(file) // what kill -9 would leave now
		if err != nil {
			t.Fatal(err)
		}
		exchange(r, "PUT", "/v1/instances/c2", c1)
		stop() // writes at once, without the delay

		r, stop = run(t, Config{File: file})
		if got := show(catalog(r)); got != "cart: c1 draining, c2 ready" || r.store.epoch == first {
			t.Errorf("after a stop: got %q in epoch %s after %s", got, r.store.epoch, first)
		}
		time.Sleep(3 * time.Second)
		exchange(r, "PUT", "/v1/instances/c2", c1)
		time.Sleep(1500 * time.Millisecond)
		if got := show(read[discovery.Catalog](t, exchange(r, "GET", "/v1/services", ""))); got != "cart: c2 ready" {
			t.Errorf("after one fresh lease: got %q", got)
		}
		stop()
		if err := os.WriteFile(file, killed, 0o600); err != nil {
			t.Fatal(err)
		}
		r, _ = run(t, Config{File: file})
		if got := show(catalog(r)); got != "cart: c1 draining" {
			t.Errorf("after a kill: got %q", got)
		}
	})
}

func TestFileThatCannotBeUsed(t *testing.T) {
	good := `{"format":1,"generation":"g1","members":[{"instance":{"id":"c1","service":"cart","state":"ready","endpoints":{}}}]}`
	for _, tc := range []struct {
		name, content string
		shows, logs   string
		aside         bool
	}{
		{"good", good, "cart: c1 ready", "", false},
		{"empty", "", "", "corrupt", true},
		{"garbage", "\x00\x01\x02", "", "corrupt", true},
		{"half", good[:60], "", "corrupt", true},
		{"of the future", strings.Replace(good, "1", "2", 1), "", "format 2", true},
		{"of another run", strings.Replace(good, "g1", "g0", 1), "", "another run", false},
		{"with one bad instance", strings.Replace(good, `[{`, `[{"instance":{"id":"!"}},{`, 1), "cart: c1 ready", `instance \"!\"`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "registry.json")
			if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			r := New(Config{File: file, Generation: "g1", Log: slog.New(slog.NewTextHandler(&log, nil))})
			if got := show(catalog(r)); got != tc.shows {
				t.Errorf("got %q, want %q", got, tc.shows)
			}
			if tc.logs == "" && log.Len() > 0 || tc.logs != "" && (!strings.Contains(log.String(), tc.logs) || !strings.Contains(log.String(), file)) {
				t.Errorf("got log %q, want %q and the file's name", log.String(), tc.logs)
			}
			if kept, err := os.ReadFile(file + ".corrupt"); tc.aside && string(kept) != tc.content || !tc.aside && err == nil {
				t.Errorf("set aside: %q, %v, want %v", kept, err, tc.aside)
			}
		})
	}
}

func TestFolderInPlaceOfTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := t.TempDir()
		var log bytes.Buffer
		r, stop := run(t, Config{File: file, Log: slog.New(slog.NewTextHandler(&log, nil))})
		exchange(r, "PUT", "/v1/instances/c1", c1)
		time.Sleep(saveDelay)
		stop()
		for _, want := range []string{"not a regular file", "cannot be kept on disk"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("got log %q, want %q in it", log.String(), want)
			}
		}
		if info, err := os.Stat(file); err != nil || !info.IsDir() {
			t.Errorf("the folder was touched: %v", err)
		}
	})
}
