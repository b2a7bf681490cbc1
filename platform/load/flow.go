package load

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/load/value"
)

// flow and step are compiled from the plan's.
type flow struct {
	name   string
	weight int
	steps  []step
}

type step struct {
	Step

	name     string
	method   string
	path     value.Template
	body     value.Template
	json     bool // the body is
	headers  map[string]value.Template
	captures []namedFinder // by name, so that a seed repeats
	timeout  time.Duration
	sent     *resilience.Priority
	counted  resilience.Priority
	index    int // among all steps
}

type namedFinder struct {
	name string
	find value.Finder
}

// compile prepares the flows of a valid plan.
func compile(p Plan) (flows []flow) {
	index := 0
	for i, f := range p.Flows {
		out := flow{name: f.name(i, len(p.Flows)), weight: cmp.Or(f.Weight, 1)}
		for _, s := range f.Steps {
			c := step{Step: s, name: s.name(), method: cmp.Or(s.Method, http.MethodGet), index: index, headers: map[string]value.Template{}}
			index++
			c.timeout = cmp.Or(s.Timeout, p.Timeout)
			c.sent = cmp.Or(s.Priority, f.Priority)
			c.counted = resilience.Normal
			if c.sent != nil {
				c.counted = *c.sent
			}
			c.path, _ = value.Parse(s.Path) // the plan is valid
			c.body, _ = value.Parse(s.Body)
			for _, headers := range []map[string]string{f.Headers, s.Headers} {
				for name, template := range headers {
					c.headers[http.CanonicalHeaderKey(name)], _ = value.Parse(template)
				}
			}
			c.json = s.Body != "" && c.headers["Content-Type"] == nil
			for _, name := range slices.Sorted(maps.Keys(s.Capture)) {
				if find, err := s.Capture[name].Compile(); err == nil {
					c.captures = append(c.captures, namedFinder{name, find})
				}
			}
			out.steps = append(out.steps, c)
		}
		flows = append(flows, out)
	}
	return flows
}

func (s *step) wants(status int) bool {
	if len(s.Status) == 0 {
		return status >= 200 && status < 400
	}
	return slices.Contains(s.Status, status)
}
