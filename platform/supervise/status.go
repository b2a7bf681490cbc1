package supervise

import (
	"os"
	"slices"
	"time"

	"github.com/musterdev/muster/platform/supervise/instance"
)

// Status is what there is to know of a fleet at one moment.
type Status struct {
	Fleet       string            `json:"fleet"`
	Environment string            `json:"environment"`
	Dir         string            `json:"dir"` // holds the folder .muster
	Phase       Phase             `json:"phase"`
	Since       time.Time         `json:"since"`                // when the supervisor started it
	PID         int               `json:"pid"`                  // of the supervisor
	EventsURL   string            `json:"events_url,omitempty"` // the broker's HTTP; "": there is none
	Engines     []instance.Status `json:"engines"`
	Services    []ServiceStatus   `json:"services"` // sorted by name
}

// ServiceStatus is what there is to know of a service.
type ServiceStatus struct {
	Name      string            `json:"name"`
	Owner     string            `json:"owner,omitempty"`
	Want      int               `json:"want"`              // instances it should have
	Ready     int               `json:"ready"`             // instances that are ready
	Trouble   string            `json:"trouble,omitempty"` // why it could not be changed as ordered last
	Instances []instance.Status `json:"instances"`         // in the order of their start
}

// Status returns what there is to know of the fleet.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	st := Status{
		Fleet: s.fleet.Name, Environment: s.fleet.EnvironmentName, Dir: s.cfg.Dir,
		Phase: s.phase, Since: s.began, PID: os.Getpid(), EventsURL: s.cfg.EventsURL,
	}
	engines := slices.Concat(s.engines, s.leaving)
	s.mu.Unlock()
	for _, e := range engines {
		st.Engines = append(st.Engines, e.Status())
	}
	for _, svc := range s.snapshot() {
		st.Services = append(st.Services, svc.status())
	}
	return st
}

func (s *service) status() ServiceStatus {
	s.mu.Lock()
	st := ServiceStatus{Name: s.name, Owner: s.spec.Owner, Want: s.want, Trouble: s.trouble}
	replicas := slices.Clone(s.replicas)
	s.mu.Unlock()
	for _, r := range replicas {
		one := r.Status()
		if one.Phase == instance.Ready {
			st.Ready++
		}
		st.Instances = append(st.Instances, one)
	}
	return st
}
