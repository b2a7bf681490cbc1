package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// CheckService says why a filter could not call a service by HTTP; nil when nothing is known
// that is in its way, and for "", which is none.
func (e Env) CheckService(service string) error {
	if e.Callable == nil || service == "" {
		return nil
	}
	return e.Callable(service, discovery.HTTP)
}

// Among returns an [Env.Callable] that knows the names of all services there are.
func Among(services []string) func(service, endpoint string) error {
	known := slices.Sorted(slices.Values(services))
	return func(service, _ string) error {
		if slices.Contains(known, service) {
			return nil
		}
		const most = 10 // names in one line
		hint := ""
		if near := problem.Nearest(service, known); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		} else if len(known) > 0 && len(known) <= most {
			hint = "; the services are " + strings.Join(known, ", ")
		}
		return fmt.Errorf("there is no service %.80q%s", service, hint)
	}
}
