package overload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/fault/machine"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/supervise/ctl"
)

// Config says how the drill is held. Only Command is needed.
type Config struct {
	Command stage.Command // how this program runs a stage
	For     time.Duration // how long too much is asked, whole seconds; 0 means 10 s
	Seed    uint64        // of arrivals and choices; 0: any
}

const (
	service  = "page"
	times    = 5.0             // what can be done, that is asked
	usual    = 0.5             // of what can be done, that is asked on a good day
	callers  = 16              // who measure what can be done, each with one request at a time
	soon     = 2 * time.Second // within which the edge has noticed, and is well again
	patience = 2 * time.Second // of a visitor
	// generatorGC keeps this process's own collections from delaying what it sends and reads.
	generatorGC = 800
	// maxLag voids a result: the generator must not be what is overloaded.
	maxLag = 25 * time.Millisecond
)

// mix is what share of the visitors has which priority, in percent. What is asked for by those of
// the two highest is three fifths of what can be done.
func mix() [resilience.Priorities]int { return [...]int{4, 8, 63, 25} }

// Run holds the drill: a fleet of real processes whose edge verifies a new token with each
// request, which is work for it alone, and has a processor for itself.
func Run(ctx context.Context, cfg Config) (*drill.Report, error) {
	cfg.For = max(time.Second, cmp.Or(cfg.For, 10*time.Second).Round(time.Second))
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1 << 32)
	}
	f, err := stage.Start(ctx, stage.Services{pages()}, cfg.Command)
	if err != nil {
		return nil, err
	}
	s, err := cfg.observe(ctx, f)
	if err := errors.Join(err, ctx.Err(), f.Close()); err != nil {
		return nil, err
	}
	return cfg.judge(s), nil
}

// pages is a service that is never what is overloaded, with a route for each priority.
func pages() stage.Spec {
	s := stage.Spec{Name: service, Config: stage.Config{Workers: 10_000, Work: time.Millisecond, Open: true}}
	s.Calls.Routes = map[string]policy.Rule{}
	for p := range resilience.Priority(resilience.Priorities) {
		rule := s.Calls.Rule.Clone()
		rule.Priority = &p
		s.Calls.Routes["/"+p.String()] = rule
		s.Routes = append(s.Routes, "/"+p.String())
	}
	return s
}

func (cfg Config) observe(ctx context.Context, f *stage.Fleet) (_ *seen, err error) {
	s := &seen{}
	undo, err := alone(f, s)
	defer func() { err = errors.Join(err, undo()) }()
	if err != nil {
		return s, err
	}
	tokens, err := login(ctx, admin.NewClient(ctl.Socket(f.Dir, "edge.sock")))
	if err != nil {
		return s, err
	}
	v := &visitor{url: f.URL, tokens: tokens, http: client()}
	if s.peak, err = v.capacity(ctx, cfg.side()-soon); err != nil {
		return s, err
	}
	s.phases(cfg.side(), cfg.For)
	defer debug.SetGCPercent(debug.SetGCPercent(generatorGC))
	s.began = time.Now()
	s.result, err = load.Run(ctx, cfg.plan(s.peak, v), load.Config{MaxLag: maxLag, Each: s.note})
	s.unsaid = v.unsaid.Load()
	return s, err
}

// alone gives the edge a processor, and this program and all else the others.
func alone(f *stage.Fleet, s *seen) (undo func() error, err error) {
	var undos []func() error
	undo = func() error {
		var errs []error
		for _, one := range slices.Backward(undos) {
			errs = append(errs, one())
		}
		return errors.Join(errs...)
	}
	if runtime.NumCPU() < 2 {
		s.shared = "there is one processor only: the edge shares it with all else, and the generator is a part of what is overloaded"
		return undo, nil
	}
	var others []int
	for n := 1; n < runtime.NumCPU(); n++ {
		others = append(others, n)
	}
	edge := false
	for _, p := range f.Processes() {
		on := others
		if p.Service == "edge" && p.PID != os.Getpid() {
			on, edge = []int{0}, true
		}
		if p.PID == 0 || p.PID == os.Getpid() {
			continue
		}
		if _, err := machine.Pin(p.PID, on...); err != nil { // it ends with the drill
			s.shared = err.Error()
			return undo, nil //nolint:nilerr // that is said in the report
		}
	}
	if !edge {
		s.shared = "the edge is in the generator's process"
		return undo, nil
	}
	back, err := machine.Pin(os.Getpid(), others...)
	if err == nil {
		undos = append(undos, back)
	}
	return undo, err
}

// side is how long a good day lasts, before and after; what is well soon is judged then.
func (cfg Config) side() time.Duration { return min(max(cfg.For, 3*time.Second), 15*time.Second) }

// plan returns who comes when.
func (cfg Config) plan(peak float64, v *visitor) load.Plan {
	good := load.Rate(peak * usual)
	p := load.Plan{
		URL: v.url, Seed: cfg.Seed, Timeout: patience, InFlight: 20_000,
		Stages: []load.Stage{{Rate: good, For: cfg.side()}, {Rate: load.Rate(peak * times), For: cfg.For}, {Rate: good, For: cfg.side()}},
	}
	for i, share := range mix() {
		name := resilience.Priority(i).String()
		path := "/" + name
		p.Flows = append(p.Flows, load.Flow{Name: name, Weight: share, Steps: []load.Step{{
			Name: name, Path: path,
			Call: func(ctx context.Context, _ *load.Visitor) (string, error) { return v.ask(ctx, path) },
		}}})
	}
	return p
}

// deadline is what a visitor says of its patience.
func deadline() (name, value string) {
	return call.DeadlineHeader, fmt.Sprint(patience.Milliseconds())
}
