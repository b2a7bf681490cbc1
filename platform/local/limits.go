package local

import (
	"context"
	"sync"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/event"
)

// doors tells which services do not keep to the limits that the file sets for their
// callers: a service of the library does so itself, nobody can for another. Each is told
// of once, until its limits are gone. The zero value is ready.
type doors struct {
	mu   sync.Mutex
	told map[string]bool
}

// doorsWithin bounds how long instances may take to say what they are.
const doorsWithin = time.Second

// check tells of those that it has not told of.
func (d *doors) check(ctx context.Context, f *fleet.Fleet, st supervise.Status, tell func(event.Event)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	limited := map[string]bool{}
	for _, s := range f.Services {
		if !s.Calls.Limits.IsZero() {
			limited[s.Name] = true
		}
	}
	was := d.told
	d.told = map[string]bool{}
	if len(limited) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, doorsWithin)
	defer cancel()
	all, _ := ops.Of(st).Calls(ctx) // of one that fails nothing is known: it may be of the library
	for _, one := range all {
		delete(limited, one.Service)
	}
	for _, s := range st.Services {
		if !limited[s.Name] || !was[s.Name] && !foreign(s) {
			continue
		}
		d.told[s.Name] = true
		if !was[s.Name] {
			tell(event.Event{
				Time: time.Now(), Kind: event.LimitsOff, Service: s.Name,
				Detail: `"calls.limits" counts for services of the library only, and this program is none: nobody is turned away`,
			})
		}
	}
}

// foreign reports whether a service is known not to be of the library: those hold their
// leases themselves.
func foreign(s supervise.ServiceStatus) bool {
	for _, i := range s.Instances {
		if i.Lease != discovery.HolderSupervisor {
			return false
		}
	}
	return len(s.Instances) > 0
}
