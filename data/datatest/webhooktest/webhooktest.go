// Package webhooktest is the suite of package webhook, for each engine.
package webhooktest

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/cloudevents"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/webhook"
)

// Run runs the suite.
func Run(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"once an endpoint and event":   once,
		"signed with both secrets":     rotated,
		"tried again":                  triedAgain,
		"left alone when asked":        leftAlone,
		"given up":                     givenUp,
		"gone":                         gone,
		"disabled by days of failure":  disabled,
		"replicas share":               shared,
		"a stale replica":              stale,
		"what a dead replica had":      takenOver,
		"endpoints that lie":           lies,
		"a hanging one holds no other": isolated,
		"a slow one holds no other":    slow,
		"an event that is no more":     noMore,
		"addresses inside":             inside,
		"replayed":                     replayed,
		"forgotten":                    forgotten,
		"by a rollback":                rolledBack,
		"operators":                    operators,
		"what is wrong with endpoints": wrong,
		"without its tables":           unmigrated,
		"ends while an endpoint hangs": ends,
	})
}

// partner is who receives webhooks.
type partner struct {
	*httptest.Server

	mu       sync.Mutex
	statuses []int // of the answers, the last again and again; none: 204
	header   http.Header
	got      []post
}

type post struct {
	id     string
	event  bus.Msg
	header http.Header
	body   []byte
}

func newPartner(t *testing.T, statuses ...int) *partner {
	t.Helper()
	p := &partner{statuses: statuses, header: http.Header{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(readerOf(body))
		events, err := cloudevents.FromRequest(again)
		if err != nil || len(events) != 1 {
			t.Errorf("%s: %v", body, err)
			return
		}
		p.mu.Lock()
		p.got = append(p.got, post{r.Header.Get(webhook.HeaderID), events[0], r.Header.Clone(), body})
		status := http.StatusNoContent
		if n := len(p.statuses); n > 0 {
			status = p.statuses[min(len(p.got), n)-1]
		}
		maps.Copy(w.Header(), p.header)
		p.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(p.Close)
	return p
}

// posts are those that arrived, in their order.
func (p *partner) posts() []post {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]post{}, p.got...)
}

// by says who interferes.
func by() webhook.Note { return webhook.Note{By: "ann", Why: "a test"} }

// local is the configuration of tests: partners are on this machine, and nothing takes
// long.
func local() webhook.Config {
	return webhook.Config{
		Plain: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Timeout: 5 * time.Second,
		Retry: bus.Backoff{First: time.Millisecond, Most: 2 * time.Millisecond, Attempts: 4},
	}
}

func hooks(t *testing.T, db *sql.DB, c webhook.Config) *webhook.Webhooks {
	t.Helper()
	dbtest.Succeed(t, webhook.Migrate(t.Context(), db))
	w, err := webhook.New(db, c)
	dbtest.Succeed(t, err)
	return w
}

// running has w post until the test ends, or stop is called.
func running(t *testing.T, w *webhook.Webhooks) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var end sync.Once
	stop = func() {
		end.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func endpoint(t *testing.T, w *webhook.Webhooks, url string, topics ...string) (id string, secret webhook.Secret) {
	t.Helper()
	if len(topics) == 0 {
		topics = []string{"orders.*"}
	}
	e, secret, err := w.Create(t.Context(), webhook.Endpoint{URL: url, Topics: topics})
	dbtest.Succeed(t, err)
	return e.ID, secret
}

func event(n int) bus.Msg {
	return bus.Msg{ID: fmt.Sprintf("e-%d", n), Source: "/orders", Topic: "orders.confirmed", Key: "k", ContentType: "application/json", Data: fmt.Appendf(nil, `{"n":%d}`, n)}
}

// appended appends an event and returns for how many endpoints.
func appended(t *testing.T, db *sql.DB, w *webhook.Webhooks, tenant string, m bus.Msg) (n int) {
	t.Helper()
	dbtest.Succeed(t, tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) (err error) {
		n, err = w.Append(ctx, tx, tenant, m)
		return err
	}))
	return n
}

func look(t *testing.T, w *webhook.Webhooks, id string) webhook.Endpoint {
	t.Helper()
	e, err := w.Endpoint(t.Context(), id)
	dbtest.Succeed(t, err)
	return e
}

func deliveries(t *testing.T, w *webhook.Webhooks, f webhook.Filter) []webhook.Delivery {
	t.Helper()
	list, err := w.Deliveries(t.Context(), f)
	dbtest.Succeed(t, err)
	return list
}

// until waits for so many deliveries to be in a state.
func until(t *testing.T, w *webhook.Webhooks, state webhook.State, n int) {
	t.Helper()
	dbtest.Eventually(t, fmt.Sprintf("%d deliveries that are %s", n, state), func() bool {
		return len(deliveries(t, w, webhook.Filter{State: state, Most: webhook.MostListed})) == n
	})
}
