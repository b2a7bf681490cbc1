package call

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/problem"
)

// SeenPath is where a service of the library answers with [Seen].
const SeenPath = "/.muster/calls"

// Seen is how one instance's calls stand, those that it makes and those that it takes.
type Seen struct {
	Service  string    `json:"service"`
	Instance string    `json:"instance"`
	At       time.Time `json:"at"` // by the instance's clock
	// Calls are those to other services.
	Calls []ServiceStats `json:"calls"`
	// Admission is the door for calls to this instance; nil: it has none.
	Admission *admission.GateStats `json:"admission,omitempty"`
}

// shedding is how long an instance counts as shedding after it turned a call away.
const shedding = 10 * time.Second

// Unusual says in a few words each what is not as it should be now: of the calls to each
// service, by its name, and of the instance's own door.
func (s Seen) Unusual() []string {
	var out []string
	if a := s.Admission; a != nil {
		if since := s.At.Sub(a.LastShed); !a.LastShed.IsZero() && since < shedding {
			out = append(out, fmt.Sprintf("turns calls away: %d of %d places taken, %d calls wait", a.InFlight, a.Limit, a.Waiting))
		}
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
func Handler(see func() Seen) http.Handler {
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
