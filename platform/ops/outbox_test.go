package ops_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/problem"
)

// newPublisher is a service whose outbox nobody empties: it holds an event of each key,
// of which some were refused.
func newPublisher(t *testing.T, name string, keys, refused string) (ops.Service, *sql.DB) {
	t.Helper()
	db, err := sqlite.Driver.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := outbox.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	err = tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		for _, key := range keys {
			m := bus.Msg{ID: "e-" + string(key), Topic: "test.happened", Key: string(key)}
			if err := outbox.AppendMsg(ctx, tx, m); err != nil {
				return err
			}
		}
		for _, key := range refused {
			if _, err := tx.ExecContext(ctx, `UPDATE muster_outbox SET error = 'too_large: '||$1 WHERE key = $2`, "more than this broker takes "+strings.Repeat("x", 60), string(key)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/.muster/outbox", outbox.Handler(db))
	mux.Handle("/.muster/outbox/", outbox.Handler(db))
	return ops.Service{Name: name, URLs: []string{serve(t, mux)}}, db
}

func TestRefusedMessagesAreDead(t *testing.T) {
	billing, db := newPublisher(t, "billing", "abc", "ab")
	orders := newService(t, "orders")
	orders.park(t, "orders", "e-1", true)
	f := &ops.Fleet{Services: append([]ops.Service{billing, orders.Service}, foreign(t)...)}
	if got := deadOf(t, f, ""); got != "[billing/outbox-1 billing/outbox-2 orders/1]" {
		t.Error(got)
	}
	if got := deadOf(t, f, "orders"); got != "[orders/1]" {
		t.Errorf("of one group: %s", got)
	}
	var text bytes.Buffer
	list, _, _ := f.Dead(t.Context(), "") // as before
	if err := ops.WriteDead(&text, list, false); err != nil {
		t.Fatal(err)
	}
	// the reason is told, not its code, and not cut before it is
	if want := regexp.MustCompile(`billing/outbox-1 +- +test.happened +a +- +\S+ ago +more than this broker takes x{60}\n`); !want.MatchString(text.String()) {
		t.Errorf("no %s in\n%s", want, &text)
	}
	if n, err := f.RedriveAll(t.Context(), ""); err != nil || n != 1 {
		t.Errorf("all that could not be handled: %d, %v", n, err)
	}
	if p, err := f.Settle(t.Context(), "billing/outbox-1", "discard"); err != nil || p.Event != "e-a" || p.Source != "/billing" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := f.Settle(t.Context(), "outbox-2", "redrive"); err != nil {
		t.Error(err)
	}
	if got := deadOf(t, f, ""); got != "[]" {
		t.Error(got)
	}
	if b, err := outbox.Waiting(t.Context(), db); err != nil || b.Messages != 2 || b.Refused != 0 {
		t.Errorf("one is given up and one waits again: %+v, %v", b, err)
	}
	if _, err := f.Settle(t.Context(), "billing/outbox-3", "discard"); problem.CodeOf(err) != problem.NotFound {
		t.Errorf("one that only waits: %v", err)
	}
}

// The reason is told before the text is cut, and its code is for programs.
func TestDeadSaysWhy(t *testing.T) {
	url := "http://127.0.0.1:20417/events"
	for said, want := range map[string]string{
		"": "",
		"POST to taker/events answered 400: invalid_argument: the service called answered 400 Bad Request: POST " + url + `: 400, body "what: \"is that\"?"`: `what: "is that"? (answered 400)`,
		"POST to taker/events answered 418: unknown: the service called answered 418 I'm a teapot: POST " + url + `: 418, body ""`:                           "answered 418 without a word",
		"POST to taker/events answered 422: unprocessable: no such cart":                                                                                     "no such cart (answered 422)",
		"POST to taker/events: dial tcp: connection refused":                                                                                                 "POST to taker/events: dial tcp: connection refused",
		"unprocessable: not_found: no such cart":                                                                                                             "no such cart",
		"the answer was: not_found":                                                                                                                          "the answer was: not_found",
		"unknown: a: b":                                                                                                                                      "a: b",
		"no\nand why":                                                                                                                                        "no…",
		strings.Repeat("y", 1001):                                                                                                                            strings.Repeat("y", 1000) + "…",
	} {
		var text bytes.Buffer
		p := ops.Parked{Service: "s", Entry: parking.Entry{ID: "1", Group: "g", Topic: "a.b", Key: "k", Attempts: 1, Error: said}}
		if err := ops.WriteDead(&text, []ops.Parked{p}, false); err != nil {
			t.Fatal(err)
		}
		if _, got, _ := strings.Cut(text.String(), " ago"); strings.TrimSpace(got) != want {
			t.Errorf("%q is told as %q", said, got)
		}
	}
}

func TestLag(t *testing.T) {
	billing, _ := newPublisher(t, "billing", "ab", "b")
	empty, _ := newPublisher(t, "empty", "", "")
	broker := http.NewServeMux()
	broker.HandleFunc("GET /v1/groups", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `[{"name": "orders", "topics": ["payments.*"], "lag": 7, "oldest_ns": 1000000, "pending": 2}]`)
	})
	away := http.NewServeMux()
	away.HandleFunc("GET /v1/groups", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.Unavailable, "its server does not answer"))
	})
	services := append([]ops.Service{billing, empty}, foreign(t)...)
	groups := `(?s)^GROUP +BEHIND +OUT +OLDEST +PARKED +DEAD +TOPICS\norders +7 +2 +1ms +- +- +payments\.\*\n`
	boxes := `OUTBOX OF +WAITING +REFUSED +OLDEST\nbilling +2 +1 +\S+\nempty +0 +0 +0s\n$`
	for name, c := range map[string]struct {
		fleet ops.Fleet
		says  string
		fails string
	}{
		"all is there":        {ops.Fleet{Services: services, Broker: serve(t, broker)}, groups + `\n` + boxes, ""},
		"no outbox":           {ops.Fleet{Services: foreign(t), Broker: serve(t, broker)}, groups + "$", ""},
		"no group":            {ops.Fleet{Broker: serve(t, emptyList())}, `^GROUP .*TOPICS\n$`, ""},
		"no broker":           {ops.Fleet{Services: services}, "^" + boxes, "the fleet has no broker of the platform's to ask"},
		"nobody listens":      {ops.Fleet{Services: services, Broker: "http://127.0.0.1:1"}, "^" + boxes, `^unavailable: the broker does not answer at http://127.0.0.1:1: connect: connection refused: see muster ps and muster logs broker$`},
		"its server is away":  {ops.Fleet{Services: services, Broker: serve(t, away)}, "^" + boxes, "the broker does not answer at http.*: its server does not answer: see"},
		"a service is silent": {ops.Fleet{Services: append([]ops.Service{{Name: "starting"}}, services...), Broker: serve(t, broker)}, groups + `\n` + boxes, "^starting: none of its instances is ready$"},
	} {
		l, err := c.fleet.Lag(t.Context())
		if (err == nil) != (c.fails == "") || err != nil && !regexp.MustCompile(c.fails).MatchString(err.Error()) {
			t.Errorf("%s: %v, want %q", name, err, c.fails)
		}
		var text bytes.Buffer
		if err := ops.WriteLag(&text, l); err != nil || !regexp.MustCompile(c.says).MatchString(text.String()) {
			t.Errorf("%s: %v\n%s\nwant %s", name, err, &text, c.says)
		}
		for _, o := range l.Outboxes {
			if o.Service == "billing" && (o.Oldest < 0 || o.Oldest > time.Minute.Seconds() || o.Refused[0].Key != "b") {
				t.Errorf("%s: %+v", name, o)
			}
		}
	}
}

func emptyList() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/groups", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, "[]")
	})
	return mux
}

// A service that has both parked messages and an outbox, and does not answer, is named
// once.
func TestDeadNamesAFailureOnce(t *testing.T) {
	f := &ops.Fleet{Services: []ops.Service{{Name: "starting"}}}
	if _, _, err := f.Dead(t.Context(), ""); err == nil || err.Error() != "starting: none of its instances is ready" {
		t.Error(err)
	}
}

// How far the reader of a database's log is behind is shown, and a loss until a person takes it as it is.
func TestTheLogOfAnOutbox(t *testing.T) {
	var taken outbox.Acceptance
	behind := func(name, log string) ops.Service {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /.muster/outbox", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"waiting":0,"oldest_seconds":0,"refused":[],"more":false,"log":` + log + `}`)) // else the client is gone
		})
		mux.HandleFunc("POST /.muster/outbox/log/accept", func(w http.ResponseWriter, r *http.Request) {
			if err := json.NewDecoder(r.Body).Decode(&taken); err != nil || r.Header.Get("Content-Type") != "application/json" {
				t.Error(r.Header, err)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"accepted":1}`)) // else the client is gone
		})
		return ops.Service{Name: name, URLs: []string{serve(t, mux)}}
	}
	table, _ := newPublisher(t, "table", "", "")
	f := &ops.Fleet{Services: []ops.Service{
		behind("well", `{"slot":"s","state":"reserved","active":true,"bytes":1234567}`),
		behind("alone", `{"slot":"s","state":"unreserved","active":false,"bytes":5}`),
		behind("lost", `{"slot":"s","state":"missing","active":false,"bytes":5,"lost":"the slot is missing"}`),
		table,
	}}
	l, _ := f.Lag(t.Context()) // there is no broker
	var text bytes.Buffer
	if err := ops.WriteLag(&text, l); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`REFUSED +OLDEST +LOG`, `well +0 +0 +0s +1.2 MB behind`, `alone +0 +0 +0s +0.0 MB behind, the slot is unreserved, nobody reads it`, `lost +0 +0 +0s +LOST`, `table +0 +0 +0s +-`,
		`lost publishes nothing, and may have lost events: the slot is missing`, `muster bus accept lost --why TEXT`,
	} {
		if !regexp.MustCompile(want + `\n`).MatchString(text.String()) {
			t.Errorf("no %s in\n%s", want, &text)
		}
	}
	ann := outbox.Acceptance{By: "ann", Why: "told by hand"}
	if err := f.AcceptLoss(t.Context(), "lost", ann); err != nil || taken != ann {
		t.Errorf("accepted %v, %v", taken, err)
	}
	if err := f.AcceptLoss(t.Context(), "table", ann); problem.CodeOf(err) != problem.FailedPrecondition {
		t.Errorf("of one that has lost nothing: %v", err)
	}
	if err := f.AcceptLoss(t.Context(), "lots", ann); err == nil || !strings.Contains(err.Error(), "lost") {
		t.Errorf("of one that is not there: %v", err)
	}
}
