package parkingtest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/problem"
)

// kill makes the first due message dead.
func kill(t *testing.T, s *parking.Store) string {
	t.Helper()
	p := due(t, s, 1)[0]
	settle(t, s, p, bus.Outcome{Dead: true, Error: "poison"})
	for _, e := range list(t, s, parking.Filter{Dead: true}) {
		if e.Event == p.ID {
			return e.ID
		}
	}
	t.Fatalf("%s is not listed as dead", p.ID)
	return ""
}

func dead(t *testing.T, open func() *sql.DB) {
	s, _ := store(t, open)
	park(t, s, "a", "a1", "a2")
	id := kill(t, s)
	park(t, s, "a", "a3")
	park(t, s, "b", "b1")
	b := due(t, s, 10)
	dbtest.Want(t, "due", ids(b), "b1")
	settle(t, s, b[0], bus.Outcome{Error: "not now"})

	waiting := list(t, s, parking.Filter{Key: "a"})[1]
	dbtest.Want(t, "one that waits", problem.CodeOf(s.Redrive(t.Context(), waiting.ID)), problem.FailedPrecondition)
	dbtest.Want(t, "unknown", problem.CodeOf(s.Redrive(t.Context(), "999999")), problem.NotFound)
	dbtest.Want(t, "no id", problem.CodeOf(s.Redrive(t.Context(), "x")), problem.NotFound)

	dbtest.Succeed(t, s.Redrive(t.Context(), id))
	taken := due(t, s, 10)
	dbtest.Want(t, "due", ids(taken), "a1 b1")
	dbtest.Want(t, "attempts", taken[0].Attempts, 0)
	for _, want := range []string{"a2", "a3"} {
		settle(t, s, taken[0], bus.Outcome{Done: true})
		taken = due(t, s, 10)
		dbtest.Want(t, "due", ids(taken), want)
	}
}

func redrivenAll(t *testing.T, open func() *sql.DB) {
	s, _ := store(t, open)
	for i := range 3 {
		park(t, s, fmt.Sprint("k", i), fmt.Sprint("m", i))
	}
	mail := message("k", "mail")
	mail.Group, mail.Dead = "mail", true
	dbtest.Succeed(t, s.Park(t.Context(), mail))
	kill(t, s)
	kill(t, s)
	n, err := s.RedriveAll(t.Context(), "nobody")
	dbtest.Succeed(t, err)
	dbtest.Want(t, "redriven of nobody", n, 0)
	n, err = s.RedriveAll(t.Context(), group)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "redriven", n, 2)
	dbtest.Want(t, "due", len(due(t, s, 10)), 3)
	n, err = s.RedriveAll(t.Context(), "")
	dbtest.Succeed(t, err)
	dbtest.Want(t, "redriven of all", n, 1)
}

func discarded(t *testing.T, open func() *sql.DB) {
	s, _ := store(t, open)
	park(t, s, "a", "a1", "a2")
	tried := due(t, s, 1)[0]
	id := list(t, s, parking.Filter{})[0].ID
	_, err := s.Discard(t.Context(), id)
	dbtest.Want(t, "one that is being tried", problem.CodeOf(err), problem.FailedPrecondition)
	settle(t, s, tried, bus.Outcome{Dead: true, Error: "poison"})
	e, err := s.Discard(t.Context(), id)
	dbtest.Succeed(t, err)
	if e.Event != "a1" || e.Key != "a" || e.Error != "poison" || !e.Dead {
		t.Errorf("discarded %+v", e)
	}
	_, err = s.Discard(t.Context(), id)
	dbtest.Want(t, "discarded twice", problem.CodeOf(err), problem.NotFound)
	dbtest.Want(t, "due", ids(due(t, s, 10)), "a2")
	if err := s.Settle(t.Context(), tried, bus.Outcome{Done: true}); !errors.Is(err, parking.ErrLost) {
		t.Errorf("settled what was discarded: %v", err)
	}
}

func lists(t *testing.T, open func() *sql.DB) {
	s, db := store(t, open)
	none, err := s.Counts(t.Context())
	dbtest.Succeed(t, err)
	dbtest.Want(t, "counts at first", len(none), 0)
	dbtest.Want(t, "entries at first", len(list(t, s, parking.Filter{})), 0)
	for i := range 7 {
		p := message(fmt.Sprint("k", i%2), fmt.Sprint("m", i))
		if i%2 == 1 {
			p.Group = "mail"
		}
		if i == 3 {
			p.Topic = "test.other"
		}
		p.Dead = i >= 5
		dbtest.Succeed(t, s.Park(t.Context(), p))
	}
	events := func(f parking.Filter) string {
		var all []string
		for _, e := range list(t, s, f) {
			all = append(all, e.Event)
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct {
		filter parking.Filter
		want   string
	}{
		{parking.Filter{}, "m0 m1 m2 m3 m4 m5 m6"},
		{parking.Filter{Group: "mail"}, "m1 m3 m5"},
		{parking.Filter{Topic: "test.other"}, "m3"},
		{parking.Filter{Key: "k0"}, "m0 m2 m4 m6"},
		{parking.Filter{Dead: true}, "m5 m6"},
		{parking.Filter{Dead: true, Group: group, Key: "k0", Topic: "test.paid"}, "m6"},
		{parking.Filter{Group: "'; DROP TABLE muster_parked; --"}, ""},
		{parking.Filter{Most: 2}, "m0 m1"},
		{parking.Filter{Most: 2, After: list(t, s, parking.Filter{Most: 2})[1].ID}, "m2 m3"},
		{parking.Filter{Most: 1_000_000}, "m0 m1 m2 m3 m4 m5 m6"},
	} {
		dbtest.Want(t, fmt.Sprintf("%+v", c.filter), events(c.filter), c.want)
	}
	_, err = s.List(t.Context(), parking.Filter{After: "x"})
	dbtest.Want(t, "behind nothing", problem.CodeOf(err), problem.InvalidArgument)
	taken := due(t, s, 1)
	dbtest.Execute(t, db, "UPDATE muster_parked SET parked = parked - 3600000 WHERE event IN ('m2', 'm5', 'm6')")
	counts, err := s.Counts(t.Context())
	dbtest.Succeed(t, err)
	if len(counts) != 2 || counts[0].Oldest < 3600 || counts[0].Oldest > 3660 || counts[1].Oldest > 60 {
		t.Errorf("counts: %+v", counts)
	} else {
		counts[0].Oldest, counts[1].Oldest = 0, 0
		dbtest.Want(t, "counts", fmt.Sprintf("%+v", counts), fmt.Sprintf("[{Group:%s Waiting:3 Dead:1 Oldest:0 Attempts:1} {Group:mail Waiting:2 Dead:1 Oldest:0 Attempts:0}]", group))
	}
	e := list(t, s, parking.Filter{Most: 1})[0]
	if !e.Trying || e.Attempts != 1 || e.Event != taken[0].ID || e.Source != "/test" || e.Bytes != 2 || time.Since(e.Parked).Abs() > time.Minute {
		t.Errorf("being tried: %+v", e)
	}
}

func overHTTP(t *testing.T, open func() *sql.DB) {
	s, _ := store(t, open)
	handler := parking.Handler(s)
	ask := func(method, path, body string) (int, map[string]any) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var answer map[string]any
		dbtest.Succeed(t, json.Unmarshal(w.Body.Bytes(), &answer))
		if w.Code >= 400 && w.Header().Get("Content-Type") != problem.ContentType {
			t.Errorf("%s %s: %s", method, path, w.Header().Get("Content-Type"))
		}
		return w.Code, answer
	}
	const base = "/.muster/bus"
	_, answer := ask(http.MethodGet, base+"/parked", "")
	dbtest.Want(t, "nothing", fmt.Sprint(answer), "map[more:false parked:[]]")
	park(t, s, "a", "a1", "a2")
	park(t, s, "b", "b1")
	first, second := kill(t, s), kill(t, s)
	status, answer := ask(http.MethodGet, base+"/parked?dead=true&group="+group+"&most=1", "")
	dbtest.Want(t, "status", status, 200)
	parked, _ := answer["parked"].([]any)
	dbtest.Want(t, "listed", len(parked), 1)
	dbtest.Want(t, "more", answer["more"], any(true))
	_, answer = ask(http.MethodGet, base+"/counts", "")
	counts, _ := answer["groups"].([]any)
	dbtest.Want(t, "counts", len(counts), 1)
	count, _ := counts[0].(map[string]any)
	for name, want := range map[string]any{"group": group, "waiting": 1.0, "dead": 2.0, "attempts": 0.0} {
		dbtest.Want(t, name, count[name], want)
	}
	entry, _ := parked[0].(map[string]any)
	for name, want := range map[string]any{"id": first, "group": group, "event": "a1", "topic": "test.paid", "key": "a", "attempts": 1.0, "error": "poison", "dead": true} {
		dbtest.Want(t, name, entry[name], want)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/parked?after=" + first + "&dead=1", "", 200, ""},
		{"GET", "/parked?dead=perhaps", "", 400, "dead"},
		{"GET", "/parked?most=0", "", 400, "from 1 to 1000"},
		{"GET", "/parked?most=1&most=2", "", 400, "more than once"},
		{"GET", "/parked?after=x", "", 400, `"x"`},
		{"GET", "/parked?grop=books", "", 400, "known are group"},
		{"GET", "/counts", "", 200, ""},
		{"GET", "/nothing", "", 404, "/nothing"},
		{"POST", "/parked/x/redrive", "", 404, `"x"`},
		{"POST", "/parked/999999/discard", "", 404, "999999"},
		{"POST", "/parked/" + first + "/redrive", "", 200, ""},
		{"POST", "/parked/" + first + "/redrive", "", 412, "not dead"},
		{"POST", "/redrive", `{"group":"nobody"}`, 200, ""},
		{"POST", "/redrive", `{"group":`, 400, "JSON"},
		{"POST", "/redrive", strings.Repeat(" ", 5000), 413, "bytes"},
		{"POST", "/parked/" + second + "/discard", "", 200, ""},
		{"POST", "/redrive", "", 200, ""},
	} {
		status, answer := ask(c.method, base+c.path, c.body)
		dbtest.Want(t, c.method+" "+c.path, status, c.status)
		if said := fmt.Sprint(answer["detail"]); !strings.Contains(said, c.says) {
			t.Errorf("%s %s: %s", c.method, c.path, said)
		}
	}
	dbtest.Want(t, "due", ids(due(t, s, 10)), "a1")
	if _, answer = ask(http.MethodPost, base+"/redrive", `{"group":""}`); answer["redriven"] != 0.0 {
		t.Errorf("redriven: %v", answer)
	}
	gone := httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+"/redrive", errorReader{})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, gone)
	dbtest.Want(t, "a body that breaks off", w.Code, 400)
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Nobody can try what cannot be read: it is dead, and people see it.
func unreadable(t *testing.T, open func() *sql.DB) {
	s, db := store(t, open)
	park(t, s, "a", "a1", "a2")
	park(t, s, "b", "b1")
	dbtest.Execute(t, db, "UPDATE muster_parked SET attributes = '{' WHERE event = 'a1'")
	dbtest.Want(t, "due", ids(due(t, s, 10)), "b1")
	e := list(t, s, parking.Filter{Dead: true})
	if len(e) != 1 || e[0].Event != "a1" || !strings.Contains(e[0].Error, "cannot be read") {
		t.Errorf("dead: %+v", e)
	}
}

func badInput(t *testing.T, open func() *sql.DB) {
	s, db := store(t, open)
	for name, change := range map[string]func(*bus.Parked){
		"no group":  func(p *bus.Parked) { p.Group = "" },
		"no id":     func(p *bus.Parked) { p.ID = "" },
		"no topic":  func(p *bus.Parked) { p.Topic = "Paid" },
		"no source": func(p *bus.Parked) { p.Source = "" },
	} {
		p := message("a", "1")
		change(&p)
		dbtest.Want(t, name, problem.CodeOf(s.Park(t.Context(), p)), problem.InvalidArgument)
	}
	dbtest.Want(t, "rows", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_parked"), 0)
	if _, err := parking.New(nil); err == nil || !strings.HasPrefix(err.Error(), "parking: ") {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Park(canceled, message("a", "1")); !errors.Is(err, context.Canceled) {
		t.Errorf("under a canceled context: %v", err)
	}
}

func unmigrated(t *testing.T, open func() *sql.DB) {
	s := another(t, open())
	errs := map[string]error{
		"Park":    s.Park(t.Context(), message("a", "1")),
		"Redrive": s.Redrive(t.Context(), "1"),
	}
	_, errs["Due"] = s.Due(t.Context(), group, 1)
	_, errs["Held"] = s.Held(t.Context(), group, "a")
	_, errs["Counts"] = s.Counts(t.Context())
	_, errs["List"] = s.List(t.Context(), parking.Filter{})
	_, errs["Discard"] = s.Discard(t.Context(), "1")
	_, errs["RedriveAll"] = s.RedriveAll(t.Context(), "")
	for name, err := range errs {
		if err == nil || strings.Count(err.Error(), "call parking.Migrate") != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := parking.Migrate(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "the database is nil") {
		t.Error(err)
	}
}

func schema(t *testing.T, open func() *sql.DB) {
	s, db := store(t, open)
	park(t, s, "a", "1")
	dbtest.Together(4, func(int) {
		if err := parking.Migrate(t.Context(), db); err != nil {
			t.Error(err)
		}
	})
	dbtest.Want(t, "entries", len(list(t, s, parking.Filter{})), 1)
}
