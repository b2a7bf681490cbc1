package storm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/load"
)

// Config says how the drill is held. Only Command is needed.
type Config struct {
	Command  stage.Command // how this program runs a stage
	For      time.Duration // how long the trouble lasts, whole seconds; 0 means 10 s
	Seed     uint64        // of arrivals and choices; 0: any
	Capacity float64       // requests a second that each service can do; 0 means 600, for Textbook 100
	Textbook bool          // three retries with backoff and jitter, and nothing else
}

const (
	hops     = 3
	work     = 10 * time.Millisecond
	patience = 500 * time.Millisecond // of a visitor
	offered  = 0.7                    // of what the services can do
	slow     = 0.25                   // speed of the last service in trouble
	surge    = 3.0                    // of what the services can do, in a spike

	warm  = 5 * time.Second // before the trouble
	after = 8 * time.Second // the trouble
	soon  = 2 * time.Second // after it all is to be well
	// A textbook storm is watched for as long, and must not end by itself.
	afterTextbook = 15 * time.Second
	// maxLag voids a result. It is above [load.MaxLag]: that a visitor comes some
	// milliseconds late matters little to whether 500 ms were enough.
	maxLag = 10 * time.Millisecond
)

// mix is what share of the visitors has which priority, in percent.
func mix() [resilience.Priorities]int { return [...]int{5, 15, 60, 20} }

// trouble is a storm or a spike.
type trouble struct {
	name  string
	speed float64 // of the last service
	load  float64 // offered, of what the services can do
}

// Retry runs the retry storm: the last of three services works at a quarter of its speed
// for a while.
func Retry(ctx context.Context, cfg Config) (*drill.Report, error) {
	return cfg.run(ctx, trouble{"retry-storm", slow, offered})
}

// Spike runs the traffic spike: three times as many visitors come as can be served.
func Spike(ctx context.Context, cfg Config) (*drill.Report, error) {
	return cfg.run(ctx, trouble{"traffic-spike", 1, surge})
}

func (cfg Config) run(ctx context.Context, t trouble) (*drill.Report, error) {
	cfg.For = max(time.Second, cmp.Or(cfg.For, 10*time.Second).Round(time.Second))
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1 << 32)
	}
	cfg.Capacity = cmp.Or(cfg.Capacity, map[bool]float64{false: 600, true: 100}[cfg.Textbook])
	cfg.Capacity = float64(cfg.workers()) / work.Seconds()
	f, err := stage.Start(ctx, cfg.chain(), cfg.Command)
	if err != nil {
		return nil, err
	}
	seen, err := cfg.observe(ctx, f, t)
	if err == nil && ctx.Err() == nil {
		seen.retries, err = retries(f.AccessLog(), seen.began.Add(warm), seen.began.Add(warm+cfg.For))
	}
	if err := errors.Join(err, ctx.Err(), f.Close()); err != nil {
		return nil, err
	}
	return cfg.judge(t, seen), nil
}

// workers is how many each service has.
func (cfg Config) workers() int { return max(1, int(math.Round(cfg.Capacity*work.Seconds()))) }

func hop(n int) string { return fmt.Sprintf("hop-%d", n) }

// chain returns the services; the first has a route for each priority.
func (cfg Config) chain() stage.Services {
	var list stage.Services
	for n := 1; n <= hops; n++ {
		s := stage.Spec{Name: hop(n), Config: stage.Config{
			Workers: cfg.workers(), Work: work, Textbook: cfg.Textbook, Patience: patience,
		}}
		if n < hops {
			s.Config.Next = hop(n + 1)
		}
		if cfg.Textbook {
			s.Calls.Settings.Retry.Attempts = 1 // it makes its own
		}
		if n == 1 {
			s.Calls.Routes = map[string]policy.Rule{}
			for p := range resilience.Priority(resilience.Priorities) {
				rule := s.Calls.Rule.Clone()
				rule.Priority = &p
				path := "/" + p.String()
				s.Calls.Routes[path] = rule
				s.Routes = append(s.Routes, path)
			}
		}
		list = append(list, s)
	}
	return list
}

// plan returns who comes when.
func (cfg Config) plan(url string, t trouble) load.Plan {
	rate := load.Rate(cfg.Capacity * offered)
	p := load.Plan{
		URL: url, Seed: cfg.Seed, Timeout: patience, InFlight: 20_000,
		Stages: []load.Stage{
			{Rate: rate, For: warm}, {Rate: load.Rate(cfg.Capacity * t.load), For: cfg.For}, {Rate: rate, For: cfg.after()},
		},
	}
	for i, share := range mix() {
		name := resilience.Priority(i).String()
		s := load.Step{Name: name, Path: "/" + name, Headers: map[string]string{call.DeadlineHeader: fmt.Sprint(patience.Milliseconds())}}
		if cfg.Textbook {
			s.Call = textbook(url + "/" + name)
			s.Timeout = time.Minute // each attempt has its own
		}
		p.Flows = append(p.Flows, load.Flow{Name: name, Weight: share, Steps: []load.Step{s}})
	}
	return p
}

func (cfg Config) after() time.Duration {
	if cfg.Textbook {
		return afterTextbook
	}
	return after
}

// observe lets visitors come and makes the trouble.
func (cfg Config) observe(ctx context.Context, f *stage.Fleet, t trouble) (*seen, error) {
	s := &seen{seconds: make([]second, int((warm+cfg.For+cfg.after())/time.Second))}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	loaded := make(chan error, 1)
	s.began = time.Now()
	go func() {
		r, err := load.Run(ctx, cfg.plan(f.URL, t), load.Config{MaxLag: maxLag, Each: s.note})
		s.result = r
		loaded <- err
	}()
	err := cfg.trigger(ctx, f, t, s)
	if err != nil {
		stop()
	}
	return s, errors.Join(<-loaded, err, s.snapshot(ctx, f, &s.end))
}

// trigger makes the trouble and ends it.
func (cfg Config) trigger(ctx context.Context, f *stage.Fleet, t trouble, s *seen) error {
	last := f.Addresses(hop(hops))
	if len(last) != 1 {
		return fmt.Errorf("%s has %d instances, and should have one", hop(hops), len(last))
	}
	if err := until(ctx, s.began.Add(warm)); err != nil {
		return err
	}
	if err := errors.Join(f.SetSpeed(ctx, last[0], t.speed), s.snapshot(ctx, f, &s.before)); err != nil {
		return err
	}
	if err := until(ctx, s.began.Add(warm+cfg.For)); err != nil {
		return err
	}
	return errors.Join(f.SetSpeed(ctx, last[0], 1), s.snapshot(ctx, f, &s.trigger))
}

func until(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
