package card

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// merchant answers webhooks with the statuses given, the last one again and again; 0
// breaks the connection.
type merchant struct {
	*httptest.Server
	statuses []int

	mu     sync.Mutex
	got    []Webhook
	bodies []string
	news   chan struct{}
}

func newMerchant(t *testing.T, statuses ...int) *merchant {
	m := &merchant{statuses: statuses, news: make(chan struct{}, 1000)}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var text json.RawMessage
		var hook Webhook
		if err := json.NewDecoder(r.Body).Decode(&text); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s, %v", r.Method, err)
		}
		if err := json.Unmarshal(text, &hook); err != nil {
			t.Error(err)
		}
		m.mu.Lock()
		m.got, m.bodies = append(m.got, hook), append(m.bodies, string(text))
		status := m.statuses[min(len(m.got), len(m.statuses))-1]
		m.mu.Unlock()
		m.news <- struct{}{}
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(m.Close)
	return m
}

// running starts w and returns how to end it.
func running(t *testing.T, w *webhooks) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestWebhooksAreRepeatedUntilTheyArrive(t *testing.T) {
	for name, c := range map[string]struct {
		statuses []int
		posts    int
	}{
		"taken":           {[]int{204}, 1},
		"away, then back": {[]int{503, 0, 429, 200}, 4},
		"refused":         {[]int{422}, 1},
		"away for good":   {[]int{500}, attempts},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMerchant(t, c.statuses...)
			w := newWebhooks(m.Client(), m.URL+"/webhooks/card", slog.New(slog.DiscardHandler))
			var pauses []time.Duration
			w.wait = func(_ context.Context, d time.Duration) { pauses = append(pauses, d) }
			w.deliver(t.Context(), Webhook{"k", "o-1", Result{"ch-1", "captured", 500}})
			if len(m.got) != c.posts || len(pauses) != c.posts-1 {
				t.Fatalf("%d posts, pauses %v; want %d", len(m.got), pauses, c.posts)
			}
			if m.bodies[0] != `{"key":"k","reference":"o-1","id":"ch-1","state":"captured","cents":500}` {
				t.Errorf("posted %s", m.bodies[0])
			}
			for i, d := range pauses {
				if d != pause<<i {
					t.Errorf("pauses %v, want them to double from %s", pauses, pause)
				}
			}
		})
	}
}

func TestWebhooksEndWithTheirContext(t *testing.T) {
	m := newMerchant(t, http.StatusServiceUnavailable)
	w := newWebhooks(m.Client(), m.URL, slog.New(slog.DiscardHandler)) // with its real pauses
	stop := running(t, w)
	w.tell(request{Kind: charge, Key: "k"}, Result{})
	<-m.news
	began := time.Now()
	stop()
	if took := time.Since(began); took > patience {
		t.Errorf("it took %s to end", took)
	}
}

// When the merchant is away for long, what is queued is bounded, and telling never waits.
func TestWebhooksBeyondTheQueueAreDropped(t *testing.T) {
	var log strings.Builder
	w := newWebhooks(http.DefaultClient, "http://payments.invalid", slog.New(slog.NewTextHandler(&log, nil)))
	for range queued + 3 {
		w.tell(request{Kind: charge, Key: "k"}, Result{})
	}
	if len(w.queue) != queued || strings.Count(log.String(), "a webhook was dropped") != 3 {
		t.Errorf("%d wait; the log:\n%s", len(w.queue), &log)
	}
}
