package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/load/pace"
	"github.com/musterdev/muster/platform/load/value"
)

// Bounds of a plan.
const (
	MaxSteps    = 200 // of all flows together; each keeps two histograms of 190 KiB
	MaxStages   = 1000
	MaxVisitors = 100_000_000 // who arrive in all, by the stages' rates and times
	maxInFlight = 1_000_000

	defaultInFlight = 1000
	defaultTimeout  = 10 * time.Second
)

// Plan says who arrives, when, and what they do. It is a value that [Read] makes from a
// file and a program writes by itself; nobody may change it while it runs.
type Plan struct {
	URL      string              // that the steps' paths are joined to, such as http://127.0.0.1:8080
	Stages   []Stage             // one after the other; at least one
	Arrivals Kind                // "" means Poisson
	InFlight int                 // visitors at a time, one more is dropped; 0 means 1000
	Timeout  time.Duration       // of a request, its body included; 0 means 10 s
	Seed     uint64              // the same seed gives the same arrivals and choices
	Vars     map[string][]string // values a visitor has from the start: one of each list
	Flows    []Flow              // what a visitor does: one of them, by weight
	SLO      SLO
}

// Flow is what one visitor does.
type Flow struct {
	Name     string               // "" means "flow", with its number when there are several
	Weight   int                  // its share of the visitors beside the others; 0 means 1
	Priority *resilience.Priority // of its requests, unless a step says; nil sends none and counts as normal
	Headers  map[string]string    // of all its requests; values are templates
	Steps    []Step
}

// Step is one request of a visitor. In Path, Headers and Body, ${name} stands for a
// variable or a captured value, ${visit} for the visitor's number, ${unique} for a text
// that no two uses share, and $$ for a dollar.
type Step struct {
	Name     string // "" means the method and the path as written
	Method   string // "" means GET
	Path     string // or a whole URL
	Headers  map[string]string
	Body     string               // JSON unless Headers has a Content-Type
	Status   []int                // what is wanted; empty means 200 to 399
	Capture  map[string]Capture   // values for the steps that follow
	Priority *resilience.Priority // nil means the flow's
	Think    time.Duration        // pause before the next step
	Timeout  time.Duration        // 0 means the plan's

	// Call, when set, is what the step does in place of an HTTP request. It returns the
	// status to count it under, and an error when it failed; [Shed] as the status is a
	// refusal for want of room or by a rate limit. It is called concurrently.
	Call func(ctx context.Context, v *Visitor) (status string, err error)
}

// Shed is the status a step's Call returns for work its server had no room for.
const Shed = "shed"

// SLO is what the result must show to hold; a zero field wants nothing. Times are of
// responses, from when a request was meant to be sent.
type SLO struct {
	P50    time.Duration `yaml:"p50"`
	P90    time.Duration `yaml:"p90"`
	P99    time.Duration `yaml:"p99"`
	P999   time.Duration `yaml:"p99.9"`
	Failed *Share        `yaml:"failed"` // most of the visits offered that may fail or be dropped
}

// One returns the plan of one GET at a rate for a while, for who has nothing but a URL.
func One(url string, rate Rate, length time.Duration) Plan {
	return Plan{
		Stages: []Stage{{Rate: rate, For: length}},
		Flows:  []Flow{{Steps: []Step{{Name: "GET", Path: strings.ReplaceAll(url, "$", "$$")}}}},
	}
}

// For returns how long visitors arrive.
func (p Plan) For() (sum time.Duration) {
	for _, s := range p.Stages {
		sum += s.For
	}
	return sum
}

// NeedsURL reports whether a step's path has to be joined to URL, and there is none.
func (p Plan) NeedsURL() bool {
	return p.URL == "" && slices.ContainsFunc(p.Flows, func(f Flow) bool {
		return slices.ContainsFunc(f.Steps, func(s Step) bool { return s.Call == nil && !wholeURL(s.Path) })
	})
}

// Visitors returns how many arrive, on the mean.
func (p Plan) Visitors() (sum float64) {
	for _, s := range p.Stages {
		sum += float64(s.Rate+s.End()) / 2 * s.For.Seconds()
	}
	return sum
}

// Validate returns nil, or an error that names the first field out of its range. Run
// calls it.
func (p Plan) Validate() error {
	switch {
	case len(p.Stages) == 0 || len(p.Stages) > MaxStages:
		return fmt.Errorf("load: a plan has 1 to %d stages, a rate and a duration each; found %d", MaxStages, len(p.Stages))
	case p.For() > MaxFor:
		return fmt.Errorf("load: the plan lasts %s; the most is %s", p.For(), MaxFor)
	case len(p.Flows) == 0:
		return errors.New("load: a plan has at least one flow: what a visitor does")
	case p.InFlight < 0 || p.InFlight > maxInFlight:
		return fmt.Errorf("load: %d visitors in flight: it must be 0 to %d; 0 means %d", p.InFlight, maxInFlight, defaultInFlight)
	case p.Timeout < 0:
		return fmt.Errorf("load: the timeout is %s: it must not be negative", p.Timeout)
	}
	for i, s := range p.Stages {
		if end := s.End(); s.For <= 0 || !(s.Rate >= 0 && s.Rate <= pace.MaxRate && end >= 0 && end <= pace.MaxRate) {
			return fmt.Errorf("load: stage %d: from %s to %s for %s: rates are from 0 to %d/s, and the time more than 0", i+1, s.Rate, end, s.For, pace.MaxRate)
		}
	}
	if n := p.Visitors(); n > MaxVisitors {
		return fmt.Errorf("load: %.0f visitors would arrive; the most is %d: lower the rate or the time", n, MaxVisitors)
	}
	if _, ok := p.Arrivals.Known(); !ok {
		return fmt.Errorf("load: arrivals are %s or %s; found %q", Poisson, Constant, p.Arrivals)
	}
	if u, err := url.Parse(p.URL); p.URL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("load: %q: must be a URL such as http://127.0.0.1:8080", p.URL)
	}
	for name, values := range p.Vars {
		if !value.ValidName(name) || len(values) == 0 {
			return fmt.Errorf("load: variable %q: it has a name of letters, digits and _, not visit or unique, and at least one value", name)
		}
	}
	steps := 0
	for i, f := range p.Flows {
		if steps += len(f.Steps); steps > MaxSteps {
			return fmt.Errorf("load: the flows have more than %d steps together; run them as several plans", MaxSteps)
		}
		if err := p.flow(f); err != nil {
			return fmt.Errorf("load: flow %q: %w", f.name(i, len(p.Flows)), err)
		}
	}
	return nil
}

func (p Plan) flow(f Flow) error {
	if f.Weight < 0 || f.Weight > 1_000_000 {
		return fmt.Errorf("weight %d: it must be from 0 to 1000000; 0 means 1", f.Weight)
	}
	if len(f.Steps) == 0 {
		return errors.New("it has no steps; give it at least one request")
	}
	if err := validHeaders(f.Headers); err != nil {
		return err
	}
	names := map[string]bool{}
	for i, s := range f.Steps {
		if err := p.step(s); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, s.name(), err)
		}
		if names[s.name()] {
			return fmt.Errorf("step %d: there is another step %q; give one a name", i+1, s.name())
		}
		names[s.name()] = true
	}
	return nil
}

func (p Plan) step(s Step) error {
	switch {
	case s.Think < 0 || s.Timeout < 0:
		return fmt.Errorf("think %s and timeout %s must not be negative", s.Think, s.Timeout)
	case s.Call != nil:
		return nil
	case p.URL == "" && !wholeURL(s.Path):
		return fmt.Errorf("the path %q needs the plan's url", s.Path)
	case !wholeURL(s.Path) && (s.Path == "" || s.Path[0] != '/'):
		return fmt.Errorf("the path %q must begin with /, or be a whole URL", s.Path)
	}
	if !token(cmp.Or(s.Method, http.MethodGet)) {
		return fmt.Errorf("%q is no method", s.Method)
	}
	if i := slices.IndexFunc(s.Status, func(code int) bool { return code < 100 || code > 599 }); i >= 0 {
		return fmt.Errorf("%d is no status: they are 100 to 599", s.Status[i])
	}
	if err := validHeaders(s.Headers); err != nil {
		return err
	}
	for _, template := range []string{s.Path, s.Body} {
		if _, err := value.Parse(template); err != nil {
			return err
		}
	}
	for name, c := range s.Capture {
		if !value.ValidName(name) {
			return fmt.Errorf("capture %q: a name has letters, digits and _, and is not visit or unique", name)
		}
		if _, err := c.Compile(); err != nil {
			return fmt.Errorf("capture %q: %w", name, err)
		}
	}
	return nil
}

func (f Flow) name(i, of int) string {
	if f.Name != "" || of == 1 {
		return cmp.Or(f.Name, "flow")
	}
	return fmt.Sprintf("flow %d", i+1)
}

func (s Step) name() string {
	if s.Name != "" || s.Call != nil {
		return cmp.Or(s.Name, "call")
	}
	return cmp.Or(s.Method, http.MethodGet) + " " + s.Path
}
