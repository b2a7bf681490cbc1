package load

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/load/pace"
)

// MaxLag is the lag of the generator's own scheduling, at the 99th percentile, above
// which a result is void: what is measured is then the generator.
const MaxLag = time.Millisecond

const (
	lead    = 20 * time.Millisecond // before the first arrival, so that it is not late
	longNap = 5 * time.Millisecond  // after which the end of ctx is seen
)

// Config says how a plan is run. The zero value is ready for use.
type Config struct {
	Client *http.Client  // nil means one of its own, with a connection kept for each visitor; its Jar is not used
	MaxLag time.Duration // 0 means MaxLag
	Each   func(Sample)  // told of every request, concurrently; it must be quick. May be nil
	// Progress is told once a second how the run stands, from one goroutine, and not any
	// more when Run has returned. May be nil.
	Progress func(Progress)
}

// Sample is one request, as it is told to [Config.Each].
type Sample struct {
	Visit    int    // the visitor's number, from 0
	Flow     string // names, as in the result
	Step     string
	Priority resilience.Priority
	Intended time.Time // when it was to be sent
	Began    time.Time // when it was
	Ended    time.Time // when its answer was read
	Status   string    // "200", or of one that was not answered "timeout", "refused", "reset", "broken", "error"
	Shed     bool      // refused for want of room, or by a rate limit
	Err      error     // nil: it succeeded
	Cut      bool      // ended by Run's context: counted as nothing
}

// Run lets visitors arrive as the plan says and returns what became of them when its time
// is over and the last has left. When ctx ends, no more arrive and those inside are cut off, which counts
// neither as success nor as failure. The error is a plan that is not valid; that the load
// failed, was void or missed its SLO is in the result.
func Run(ctx context.Context, plan Plan, cfg Config) (Result, error) {
	if err := plan.Validate(); err != nil {
		return Result{}, err
	}
	if plan.Seed == 0 {
		plan.Seed = rand.Uint64() >> 11
	}
	plan.InFlight = cmp.Or(plan.InFlight, defaultInFlight)
	plan.Timeout = cmp.Or(plan.Timeout, defaultTimeout)
	client := http.Client{Transport: http.DefaultTransport}
	if cfg.Client != nil {
		client = *cfg.Client
	} else {
		own := &http.Transport{MaxIdleConns: plan.InFlight, MaxIdleConnsPerHost: plan.InFlight, IdleConnTimeout: time.Minute, DisableCompression: true}
		defer own.CloseIdleConnections()
		client.Transport = own
	}
	// What is answered is what is counted: nothing is asked for behind the plan's back.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := &run{plan: plan, cfg: cfg, client: client, flows: compile(plan), began: time.Now().Add(lead), live: ctx}
	r.tally = newTally(r.flows, plan, r.began)
	for _, f := range r.flows {
		r.weights += f.weight
	}
	unwatched := r.watch()
	offering := make(chan struct{})
	go func() {
		defer close(offering)
		runtime.LockOSThread() // and never unlocked: the thread's sleeps are its own
		pace.Sharpen()
		r.offer(ctx)
	}()
	<-offering
	until(ctx, r.began.Add(plan.For())) // the last to arrive may have come long before
	r.visits.Wait()
	unwatched()
	return r.tally.result(plan, cmp.Or(cfg.MaxLag, MaxLag), max(0, time.Since(r.began))), nil
}

// run is a plan under way.
type run struct {
	plan    Plan
	cfg     Config
	client  http.Client
	flows   []flow
	weights int
	began   time.Time
	tally   *tally
	live    context.Context //nolint:containedctx // of the visits, which Run waits for

	inFlight atomic.Int64
	visits   sync.WaitGroup
}

// offer lets visitors in at their time.
func (r *run) offer(ctx context.Context) {
	kind, _ := r.plan.Arrivals.Known()
	arriving := pace.New(r.plan.Stages, kind, rand.New(rand.NewPCG(r.plan.Seed, 1)))
	for number := 0; ; number++ {
		after, more := arriving.Next()
		if !more {
			return
		}
		intended := r.began.Add(after)
		for {
			left := time.Until(intended)
			if left <= 0 {
				break
			}
			if ctx.Err() != nil {
				return
			}
			pace.Nap(min(left, longNap))
		}
		if ctx.Err() != nil {
			return
		}
		if r.inFlight.Load() >= int64(r.plan.InFlight) {
			r.tally.dropped(intended)
			continue
		}
		r.inFlight.Add(1)
		r.visits.Go(func() {
			defer r.inFlight.Add(-1)
			r.visit(number, intended)
		})
	}
}

// visit is one visitor from arrival to leaving.
func (r *run) visit(number int, intended time.Time) {
	r.tally.arrived(intended, time.Since(intended))
	random := rand.New(rand.NewPCG(r.plan.Seed, uint64(number)+2)) //nolint:gosec // not negative
	v := newVisitor(r, number, random)
	f := v.choose(r.flows, r.weights)
	at := intended
	var last Sample
	for i := range f.steps {
		s := &f.steps[i]
		last = v.do(r.live, f, s, at)
		r.tally.request(f, s, last)
		if r.cfg.Each != nil {
			r.cfg.Each(last)
		}
		if last.Err != nil {
			break
		}
		if at = last.Ended.Add(s.Think); s.Think > 0 && i < len(f.steps)-1 && !until(r.live, at) {
			last.Cut = true
			break
		}
	}
	r.tally.left(intended, last)
}

// until waits for a time and reports whether it came before the end of ctx.
func until(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
