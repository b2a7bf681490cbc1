package broker

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/sqlite"
)

// post is what posts events to the service notify, whose instances a test sets.
type post struct {
	t      *testing.T
	bus    bus.Broker
	parked *parking.Store
	view   *discovery.View
}

func newPost(t *testing.T) *post {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	server, err := Start(t.Context(), Config{StoreDir: t.TempDir()}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	connection, err := nats.Driver.OpenBus(t.Context(), server.URL(), "test", log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	db, err := sqlite.Driver.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "parked.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := parking.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	store, err := parking.New(db)
	if err != nil {
		t.Fatal(err)
	}
	all := discovery.Fixed(nil)
	caller := call.New(call.Config{Resolver: all, Wait: 100 * time.Millisecond})
	t.Cleanup(caller.Close)
	p := &pushers{
		broker: connection, admin: connection.(bus.Admin), parking: store, log: log,
		client: func(service string) *http.Client {
			return &http.Client{Transport: caller.Transport(service), CheckRedirect: call.StayWithin}
		},
	}
	p.set([]Subscription{{"notify", "orders.*", "/events"}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &post{t, connection, store, all.View("notify")}
}

// instances says where the service is.
func (p *post) instances(servers ...*httptest.Server) {
	var list []discovery.Instance
	for _, s := range servers {
		at := s.Listener.Addr().String()
		list = append(list, discovery.Instance{ID: at, Service: "notify", State: discovery.Ready, Endpoints: map[string]string{discovery.HTTP: at}})
	}
	p.view.Set(list)
}

func (p *post) publish(ids ...string) {
	p.t.Helper()
	var msgs []bus.Msg
	for _, id := range ids {
		key, _, _ := strings.Cut(id, "-")
		msgs = append(msgs, bus.Msg{ID: id, Source: "/orders", Topic: "orders.placed", Key: key, Data: []byte(id)})
	}
	for _, r := range p.bus.Publish(p.t.Context(), msgs) {
		if r.Err != nil {
			p.t.Fatal(r.Err)
		}
	}
}

func (p *post) until(what string, ok func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (p *post) entries() []parking.Entry {
	p.t.Helper()
	list, err := p.parked.List(p.t.Context(), parking.Filter{})
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// seen notes posts and answers each id by a list of statuses, the last for ever.
type seen struct {
	mu      sync.Mutex
	ids     []string
	at      map[string][]time.Time
	answers map[string][]int
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("ce-id")
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	s.ids = append(s.ids, id)
	if s.at == nil {
		s.at = map[string][]time.Time{}
	}
	s.at[id] = append(s.at[id], time.Now())
	status := http.StatusOK
	if list := s.answers[id]; len(list) > 0 {
		status = list[min(len(s.at[id]), len(list))-1]
	}
	s.mu.Unlock()
	switch status {
	case 0: // the instance dies in between
		panic(http.ErrAbortHandler)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "2")
	case http.StatusTemporaryRedirect:
		w.Header().Set("Location", "http://elsewhere/")
	}
	w.WriteHeader(status)
}

func (s *seen) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

func (s *seen) times(id string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at[id])
}

func serve(t *testing.T, s *seen) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

func TestWhatAnswersMean(t *testing.T) {
	p := newPost(t)
	s := &seen{answers: map[string][]int{
		"late-1": {429, 200}, "fails-1": {500, 502, 503, 408, 425, 200}, "dies-1": {0, 0, 201},
		"never-1": {404}, "bad-1": {400}, "moved-1": {307},
	}}
	p.instances(serve(t, s))
	p.publish("late-1", "late-2", "fails-1", "dies-1", "never-1", "never-2", "bad-1", "moved-1", "good-1")
	p.until("what can come has", func() bool {
		return len(s.times("late-2")) == 1 && len(s.times("fails-1")) == 6 && len(s.times("dies-1")) == 3 && len(s.times("good-1")) == 1
	})
	if at := s.times("late-1"); len(at) != 2 || at[1].Sub(at[0]) < 1900*time.Millisecond {
		t.Errorf("Retry-After was not waited for: %v", at)
	}
	if at := s.times("late-2")[0]; at.Before(s.times("late-1")[1]) {
		t.Error("a later event of the key passed the one that waits")
	}
	p.until("only the dead are parked", func() bool {
		dead, behind := 0, 0
		for _, e := range p.entries() {
			switch {
			case e.Dead:
				dead++
			case e.Event == "never-2":
				behind++
			default:
				return false
			}
		}
		return dead == 3 && behind == 1
	})
	for _, e := range p.entries() {
		if e.Event == "never-1" && !strings.Contains(e.Error, "POST to notify/events answered 404") {
			t.Error(e.Error)
		}
		if e.Dead && len(s.times(e.Event)) != 1 {
			t.Errorf("%s is dead after %d tries", e.Event, len(s.times(e.Event)))
		}
	}
	s.mu.Lock()
	delete(s.answers, "never-1")
	s.mu.Unlock()
	if n, err := p.parked.RedriveAll(t.Context(), "notify"); n != 3 || err != nil {
		t.Error(n, err)
	}
	p.until("the redriven one frees its key", func() bool { return len(s.times("never-2")) == 1 })
}

func TestAServiceThatComesLater(t *testing.T) {
	p := newPost(t)
	p.publish("a-1", "a-2", "b-1")
	p.until("the events wait for the service", func() bool { return len(p.entries()) == 3 })
	s := &seen{}
	p.instances(serve(t, s))
	p.until("all came", func() bool { return len(s.all()) == 3 })
	if a := s.all(); slices.Index(a, "a-1") > slices.Index(a, "a-2") {
		t.Error(a)
	}
}

func TestAnInstanceThatDies(t *testing.T) {
	p := newPost(t)
	s := &seen{}
	first := httptest.NewServer(s)
	p.instances(first)
	p.publish("a-1")
	p.until("the first came", func() bool { return len(s.all()) == 1 })
	first.CloseClientConnections()
	first.Close() // the registry does not know yet
	p.publish("a-2", "a-3", "b-1")
	p.until("they wait", func() bool { return len(p.entries()) > 0 })
	p.instances(serve(t, s))
	p.until("all came", func() bool { return len(s.all()) >= 4 })
	if a := s.all(); slices.Index(a, "a-2") > slices.Index(a, "a-3") {
		t.Error(a)
	}
}

func TestABusyServiceDoesNotKillEvents(t *testing.T) {
	parked := &recorded{}
	p := &poster{parking: parked, failures: map[string]failure{}}
	m := bus.Parked{Msg: bus.Msg{ID: "1", Source: "/s"}, Attempts: 24}
	for name, tc := range map[string]struct {
		f    failure
		o    bus.Outcome
		want bus.Outcome
	}{
		"away, tries used up":   {failure{away: true}, bus.Outcome{Dead: true}, bus.Outcome{After: longest}},
		"asked for a time":      {failure{away: true, after: time.Minute}, bus.Outcome{After: time.Second}, bus.Outcome{After: time.Minute}},
		"asked for less":        {failure{after: time.Second}, bus.Outcome{After: time.Minute}, bus.Outcome{After: time.Minute}},
		"failed, tries used up": {failure{after: time.Minute}, bus.Outcome{Dead: true}, bus.Outcome{Dead: true}},
		"done":                  {failure{away: true}, bus.Outcome{Done: true}, bus.Outcome{Done: true}},
	} {
		p.failed(m.Msg, tc.f)
		if err := p.Settle(t.Context(), m, tc.o); err != nil || parked.last != tc.want {
			t.Errorf("%s: %+v, %v", name, parked.last, err)
		}
		if len(p.failures) != 0 {
			t.Errorf("%s: %v is kept", name, p.failures)
		}
	}
}

// recorded is a parking that notes an outcome.
type recorded struct {
	bus.Parking

	last bus.Outcome
}

func (r *recorded) Settle(_ context.Context, _ bus.Parked, o bus.Outcome) error {
	r.last = o
	return nil
}
