package ops_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/problem"
)

// state is the data of the tests' sagas.
type state struct{ Text string }

// service is one with a real database, real sagas and real parked messages.
type service struct {
	ops.Service

	db     *sql.DB
	parked *parking.Store
	sagas  map[string]*saga.Saga[state]

	handler http.Handler
}

// newService serves sagas of the given names, of which each pauses at its first step.
func newService(t *testing.T, name string, sagas ...string) *service {
	t.Helper()
	db, err := sqlite.Driver.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := errors.Join(saga.Migrate(t.Context(), db), parking.Migrate(t.Context(), db)); err != nil {
		t.Fatal(err)
	}
	s := &service{db: db, sagas: map[string]*saga.Saga[state]{}}
	if s.parked, err = parking.New(db); err != nil {
		t.Fatal(err)
	}
	var definitions []saga.Definition
	for _, n := range sagas {
		s.sagas[n] = &saga.Saga[state]{Name: n, Version: 1, Steps: []saga.Step[state]{
			saga.Local[state]{Name: "first", Do: func(context.Context, tx.Tx, *state) error { return saga.Bug(errors.New("not yet")) }},
		}}
		definitions = append(definitions, s.sagas[n])
	}
	engine, err := saga.New(db, saga.Config{Owner: name}, definitions...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	mux := http.NewServeMux()
	mux.Handle("/.muster/sagas", saga.Handler(engine))
	mux.Handle("/.muster/sagas/", saga.Handler(engine))
	mux.Handle("/.muster/bus/", parking.Handler(s.parked))
	s.handler = mux
	s.Service = ops.Service{Name: name, URLs: []string{serve(t, mux)}}
	return s
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// start starts a saga and waits until it is paused.
func (s *service) start(t *testing.T, f *ops.Fleet, name, id string) {
	t.Helper()
	err := tx.Do(t.Context(), s.db, func(ctx context.Context, t *sql.Tx) error {
		return s.sagas[name].Start(ctx, t, id, state{"of " + s.Name})
	})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		d, err := f.Saga(t.Context(), ops.SagaName{Service: s.Name, Name: name, ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if d.State == saga.Paused {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never paused: %+v", d)
		}
	}
}

func (s *service) park(t *testing.T, group, id string, dead bool) {
	t.Helper()
	m := bus.Msg{ID: id, Source: "/test", Topic: "test.happened", Key: id, Time: time.Now(), ContentType: "application/json", Data: []byte("{}")}
	if err := s.parked.Park(t.Context(), bus.Parked{Msg: m, Group: group, Dead: dead, Error: "no\nand why", Next: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
}

// foreign are programs that know nothing of Muster.
func foreign(t *testing.T) []ops.Service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "220 mail.example ready\r\n")
			_ = c.Close()
		}
	}()
	return []ops.Service{
		{Name: "anything", URLs: []string{serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))}},
		{Name: "mail", URLs: []string{"http://" + l.Addr().String()}},
		{Name: "nothing", URLs: []string{serve(t, http.NotFoundHandler())}},
		{Name: "page", URLs: []string{serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"anything": 1}`)
		}))}},
		{Name: "refuses", URLs: []string{serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			problem.Write(w, r, problem.New(problem.NotFound, "no such path"))
		}))}},
	}
}

func TestSagas(t *testing.T) {
	orders, returns := newService(t, "orders", "checkout", "refund"), newService(t, "returns", "refund")
	f := &ops.Fleet{Services: append([]ops.Service{orders.Service, returns.Service}, foreign(t)...)}
	orders.start(t, f, "checkout", "o-1")
	orders.start(t, f, "refund", "o-1")
	orders.start(t, f, "refund", "o-2")
	returns.start(t, f, "refund", "o-2")
	returns.start(t, f, "refund", "r-1")

	list, all, err := f.Sagas(t.Context(), saga.Filter{})
	if err != nil || len(list) != 5 || all != 5 || list[0].Service != "returns" || list[0].ID != "r-1" {
		t.Errorf("%d of %d, %v: %+v", len(list), all, err, list)
	}
	list, all, err = f.Sagas(t.Context(), saga.Filter{Name: "refund", State: saga.Paused, Limit: 1})
	if err != nil || len(list) != 2 || all != 4 {
		t.Errorf("of each service one: %d of %d, %v", len(list), all, err)
	}
	var text bytes.Buffer
	if err := ops.WriteSagas(&text, list, all); err != nil || !strings.Contains(text.String(), "returns") || !strings.Contains(text.String(), "2 more") {
		t.Errorf("%v\n%s", err, &text)
	}

	for name, want := range map[string]string{
		"checkout/o-1": "orders",
		"r-1":          "returns",
		"refund/r-1":   "returns",
		"o-1":          "o-1 is not one saga but checkout/o-1 of orders and refund/o-1 of orders",
		"refund/o-2":   "refund/o-2 is not one saga but refund/o-2 of orders and refund/o-2 of returns",
		"x":            "no service has a saga x",
		"checkout/r-1": "no service has a saga checkout/r-1",
	} {
		n, err := ops.ParseSaga(name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := f.Saga(t.Context(), n)
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && d.Service != want {
			t.Errorf("%s: %+v, %v; want %s", name, d, err, want)
		}
	}
	d, err := f.Saga(t.Context(), ops.SagaName{Service: "returns", Name: "refund", ID: "o-2"})
	if err != nil || d.Service != "returns" || !strings.Contains(string(d.Data), "of returns") {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := f.Saga(t.Context(), ops.SagaName{Service: "none", ID: "x"}); err == nil || !strings.Contains(err.Error(), `no service "none"; it has orders, returns`) {
		t.Error(err)
	}

	d, err = f.Interfere(t.Context(), ops.SagaName{Name: "checkout", ID: "o-1"}, "skip", saga.Note{By: "me", Why: "a test"})
	if err != nil || d.Service != "orders" || d.State == saga.Paused {
		t.Errorf("%+v, %v", d, err)
	}
	text.Reset()
	if err := ops.WriteSaga(&text, d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"checkout/o-1, version 1", "of orders", "skipped", "me: a test", "not yet"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	_, err = f.Interfere(t.Context(), ops.SagaName{ID: "r-1"}, "skip", saga.Note{By: "me"})
	if problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("without a reason: %v", err)
	}
}

func TestParseSaga(t *testing.T) {
	for _, text := range []string{"", "/", "a/", "/a", "a/b/c"} {
		if n, err := ops.ParseSaga(text); err == nil {
			t.Errorf("%q is %+v", text, n)
		}
	}
}

// What some cannot tell is said, and does not hide what the others did.
func TestServicesThatDoNotAnswer(t *testing.T) {
	orders := newService(t, "orders", "checkout")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String()
	_ = l.Close()
	broken := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.Unavailable, "the database is away"))
	}))
	f := &ops.Fleet{Services: []ops.Service{
		{Name: "broken", URLs: []string{broken}},
		{Name: "gone", URLs: []string{gone}},
		{Name: "starting"},
		{Name: "orders", URLs: append([]string{gone}, orders.URLs...)}, // one of its instances has just ended
	}}
	orders.start(t, f, "checkout", "o-1")
	list, _, err := f.Sagas(t.Context(), saga.Filter{})
	if len(list) != 1 || err == nil {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, want := range []string{"broken: unavailable: the database is away", "gone: ", "connection refused", "starting: none of its instances is ready"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "orders") {
		t.Error(err)
	}
	// who was not asked may have another saga of that name
	if d, err := f.Saga(t.Context(), ops.SagaName{ID: "o-1"}); err == nil {
		t.Errorf("found %+v", d)
	}
}

// deadOf returns the names of what is dead in a group, "" for all.
func deadOf(t *testing.T, f *ops.Fleet, group string) string {
	t.Helper()
	list, more, err := f.Dead(t.Context(), group)
	if err != nil || more {
		t.Fatal(err, more)
	}
	var names []string
	for _, p := range list {
		names = append(names, p.Name())
	}
	return fmt.Sprint(names)
}

func TestDead(t *testing.T) {
	orders, broker := newService(t, "orders"), newService(t, "broker")
	f := &ops.Fleet{Services: append([]ops.Service{orders.Service}, foreign(t)...), Broker: broker.URLs[0]}
	orders.park(t, "orders", "e-1", true)
	orders.park(t, "orders", "e-2", false)
	orders.park(t, "orders", "e-3", true)
	broker.park(t, "notify", "e-1", true)

	if got := deadOf(t, f, ""); got != "[broker/1 orders/1 orders/3]" {
		t.Error(got)
	}
	if got := deadOf(t, f, "notify"); got != "[broker/1]" {
		t.Error(got)
	}
	var text bytes.Buffer
	list, _, _ := f.Dead(t.Context(), "") // as before
	if err := ops.WriteDead(&text, list, false); err != nil || !strings.Contains(text.String(), "broker/1  notify") || !strings.Contains(text.String(), "no…") {
		t.Errorf("%v\n%s", err, &text)
	}
	for name, want := range map[string]string{
		"1":        "1 is not one message but broker/1 and orders/1",
		"orders/2": "no dead message is called orders/2",
		"x":        "no dead message is called x",
	} {
		if _, err := f.Settle(t.Context(), name, "redrive"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p, err := f.Settle(t.Context(), "3", "discard"); err != nil || p.Event != "e-3" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := f.Settle(t.Context(), "broker/1", "redrive"); err != nil {
		t.Error(err)
	}
	if n, err := f.RedriveAll(t.Context(), "orders"); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if got := deadOf(t, f, ""); got != "[]" {
		t.Error(got)
	}
}

func TestNoBroker(t *testing.T) {
	f := &ops.Fleet{}
	if _, err := f.Topics(t.Context()); !errors.Is(err, ops.ErrNoBroker) {
		t.Error(err)
	}
	if _, err := f.Groups(t.Context()); !errors.Is(err, ops.ErrNoBroker) {
		t.Error(err)
	}
}

func TestOf(t *testing.T) {
	f := ops.Of(supervise.Status{EventsURL: "http://127.0.0.1:8082", Services: []supervise.ServiceStatus{
		{Name: "cart", Want: 2, Instances: []instance.Status{
			{Phase: instance.Ready, Port: 7001}, {Phase: instance.Starting, Port: 7002}, {Phase: instance.Ready, Port: 7003},
		}},
		{Name: "none", Want: 0},
		{Name: "starting", Want: 1},
	}})
	if got := fmt.Sprint(f.Services, " ", f.Broker); got != "[{cart [http://127.0.0.1:7001 http://127.0.0.1:7003] false false} {none [] true false} {starting [] false false}] http://127.0.0.1:8082" {
		t.Error(got)
	}
}
