// Package seen is what can be seen of a process's calls: how they stand, as metrics, as
// JSON for operators, and in a few words where something is not as it should be.
package seen

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/problem"
)

// Path is where a service of the library answers with [Process].
const Path = "/.muster/calls"

// Process is how one instance's calls stand, those that it makes and those that it takes.
type Process struct {
	Service  string    `json:"service"`
	Instance string    `json:"instance"`
	At       time.Time `json:"at"` // by the instance's clock
	// Calls are those to other services.
	Calls []Service `json:"calls"`
	// Admission is the door for calls to this instance; nil: it has none.
	Admission *admission.GateStats `json:"admission,omitempty"`
	// Limits are how those who call it stand with what they may ask; nothing while
	// nothing is limited.
	Limits []quota.Stats `json:"limits,omitempty"`
	// Database is the pool of connections to the instance's own database; nil: it has none.
	Database *Pool `json:"database,omitempty"`
}

// shedding is how long an instance, or its limit of one caller, counts as shedding after
// it turned a call away.
const shedding = 10 * time.Second

// Unusual says in a few words each what is not as it should be now: of the calls to each
// service, by its name, and of the instance's own door and database.
func (s Process) Unusual() []string {
	var out []string
	if a := s.Admission; a != nil {
		if since := s.At.Sub(a.LastShed); !a.LastShed.IsZero() && since < shedding {
			said := fmt.Sprintf("%d of %d places taken, %d calls wait", a.InFlight, a.Limit, a.Waiting)
			if a.Limit == 0 { // the edge's own
				said = "its processors have more to do than they can"
			}
			out = append(out, "turns calls away: "+said)
		}
	}
	for _, l := range s.Limits {
		if since := s.At.Sub(l.Last); !l.Last.IsZero() && since < shedding {
			out = append(out, fmt.Sprintf("turns %s away, which asks for more than %s here", l.Caller, l.All.Part(l.Servers)))
		}
	}
	if said := s.Database.unusual(); said != "" {
		out = append(out, said)
	}
	for _, c := range s.Calls {
		for _, said := range c.Unusual(s.At) {
			out = append(out, c.Service+": "+said)
		}
	}
	return out
}

// Handler answers GET with what see returns, as JSON. It shows how the fleet is built:
// serve it to operators only.
func Handler(see func() Process) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			p := problem.New(problem.Unimplemented, "this path takes GET only")
			p.Status = http.StatusMethodNotAllowed
			problem.Write(w, r, p)
			return
		}
		s := see()
		s.At = time.Now()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(s) // the caller is gone: nobody is left to tell
	})
}
