package stage

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/problem"
)

// Path is where a stage tells its [Counts] and is told, by POST, its speed:
// {"speed": 0.25}. It is not counted, and not to be reached through the edge.
const Path = "/.muster/stage"

// Counts are what one instance did since its start.
type Counts struct {
	Asked    int64   `json:"asked"`    // requests that were let in
	Begun    int64   `json:"begun"`    // of these, worked on
	Expired  int64   `json:"expired"`  // of these, let in or begun when their caller's time was up
	GaveUp   int64   `json:"gave_up"`  // left while they waited for a worker
	Inside   int64   `json:"inside"`   // are waiting or worked on now
	Calls    int64   `json:"calls"`    // of the next stage
	Attempts int64   `json:"attempts"` // to carry those out: requests sent
	Speed    float64 `json:"speed"`    // of the work, of 1
}

// Add returns the sum of what two instances did; the speed is c's.
func (c Counts) Add(d Counts) Counts { return c.with(d, 1) }

// Since returns what was done after before.
func (c Counts) Since(before Counts) Counts { return c.with(before, -1) }

func (c Counts) with(d Counts, sign int64) Counts {
	return Counts{
		Asked: c.Asked + sign*d.Asked, Begun: c.Begun + sign*d.Begun, Expired: c.Expired + sign*d.Expired,
		GaveUp: c.GaveUp + sign*d.GaveUp, Inside: c.Inside + sign*d.Inside,
		Calls: c.Calls + sign*d.Calls, Attempts: c.Attempts + sign*d.Attempts, Speed: c.Speed,
	}
}

// Run runs the stage that the environment tells of until ctx ends.
func Run(ctx context.Context, lookup func(name string) (value string, ok bool), log io.Writer, opts ...muster.Option) error {
	cfg, err := Read(lookup)
	if err != nil {
		return err
	}
	name, _ := lookup("MUSTER_SERVICE")
	opts = append([]muster.Option{muster.Environment(lookup), muster.LogTo(log)}, opts...)
	if cfg.Open || cfg.Textbook {
		opts = append(opts, muster.Admission(admission.Config{Off: true}))
	}
	return muster.Run(ctx, []muster.Service{Service(name, cfg)}, opts...)
}

// Service returns a stage as a service.
func Service(name string, cfg Config) muster.Service {
	return muster.Service{Name: name, Run: func(ctx context.Context, app *muster.App) error {
		s := newStage(cfg)
		if cfg.Next != "" {
			s.client = app.Client(cfg.Next)
		}
		app.Handle(Path, http.HandlerFunc(s.operate))
		app.Handle("/", s)
		return app.Serve(ctx)
	}}
}

// stage is one instance.
type stage struct {
	cfg    Config
	client *http.Client // nil: the last
	// free holds the workers that do nothing. Each is how much longer than it should have
	// its last work took, by which the next is shorter: so that what a stage can do is what
	// it says, however coarse the machine's timers are.
	free chan time.Duration

	mu     sync.Mutex
	counts Counts
}

func newStage(cfg Config) *stage {
	cfg = cfg.filled()
	s := &stage{cfg: cfg, free: make(chan time.Duration, cfg.Workers), counts: Counts{Speed: 1}}
	for range cfg.Workers {
		s.free <- 0
	}
	return s
}

// count changes the counts and returns the speed.
func (s *stage) count(change func(*Counts)) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.counts)
	return s.counts.Speed
}

// ServeHTTP waits for a worker, with the request's context as a pool of connections
// would, works, and passes the request on.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if s.cfg.Textbook {
		ctx = context.WithoutCancel(ctx)
	}
	late := r.Context().Err() != nil
	s.count(func(c *Counts) { c.Asked++; c.Inside++ })
	defer s.count(func(c *Counts) { c.Inside-- })
	owed, err := s.wait(ctx)
	if err != nil {
		s.count(func(c *Counts) { c.GaveUp++ })
		problem.Write(w, r, problem.Wrap(err, problem.DeadlineExceeded, "no worker was free in time"))
		return
	}
	late = late || r.Context().Err() != nil
	speed := s.count(func(c *Counts) {
		c.Begun++
		if late {
			c.Expired++
		}
	})
	s.free <- s.work(speed, owed)
	if err := s.pass(ctx, r); err != nil {
		problem.Write(w, r, err)
		return
	}
	_, _ = io.WriteString(w, "done\n") // whoever asked may have gone
}

// wait waits for a worker.
func (s *stage) wait(ctx context.Context) (owed time.Duration, err error) {
	select {
	case owed = <-s.free:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if err := ctx.Err(); err != nil { // both at once
		s.free <- owed
		return 0, err
	}
	return owed, nil
}

// work takes its time, less what is owed, and returns what is owed now. Nobody can end
// work that has begun.
func (s *stage) work(speed float64, owed time.Duration) time.Duration {
	took := s.cfg.Work.Seconds() / speed
	if s.cfg.Random {
		took *= rand.ExpFloat64()
	}
	due := time.Duration(took*float64(time.Second)) - owed
	began := time.Now()
	<-time.After(due)
	return min(time.Since(began)-due, s.cfg.Work)
}

// pass calls the next stage for a request.
func (s *stage) pass(ctx context.Context, r *http.Request) error {
	if s.client == nil {
		return nil
	}
	s.count(func(c *Counts) { c.Calls++ })
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { s.count(func(c *Counts) { c.Attempts++ }) },
	})
	target := "http://" + s.cfg.Next + r.URL.Path
	if s.cfg.Textbook {
		return Repeat(ctx, s.cfg.Patience, func(ctx context.Context) error { return Get(ctx, s.client, target) })
	}
	return Get(ctx, s.client, target)
}

// textbookRetries, with pauses of up to textbookPause that doubles.
const (
	textbookRetries = 3
	textbookPause   = 100 * time.Millisecond
)

// Repeat makes up to four attempts, each within patience, with exponential backoff and
// full jitter between them, whatever went wrong: what is written in textbooks.
func Repeat(ctx context.Context, patience time.Duration, attempt func(context.Context) error) (err error) {
	for n := 0; ; n++ {
		one, cancel := context.WithTimeout(ctx, patience)
		err = attempt(one)
		cancel()
		if err == nil || n == textbookRetries || ctx.Err() != nil {
			return err
		}
		timer := time.NewTimer(rand.N(textbookPause << n))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// Get asks for a URL and reads the answer; one that is no success is an error.
func Get(ctx context.Context, client *http.Client, target string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody) //nolint:gosec // a drill's own services
	if err != nil {
		return err
	}
	res, err := client.Do(r) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	if res.StatusCode != http.StatusOK {
		return problem.FromResponse(res)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return err
}

// operate tells the counts, and is told the speed.
func (s *stage) operate(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var told struct {
			Speed float64 `json:"speed"`
		}
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<10)).Decode(&told); err != nil || !(told.Speed > 0 && told.Speed <= 1000) {
			problem.Write(w, r, problem.New(problem.InvalidArgument, `the speed is a number over 0 and at most 1000, as {"speed": 0.25}`))
			return
		}
		s.count(func(c *Counts) { c.Speed = told.Speed })
	}
	var now Counts
	s.count(func(c *Counts) { now = *c })
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(now) //nolint:errchkjson // whoever asked may have gone
}
