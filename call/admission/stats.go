package admission

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

// gateJSON is GateStats as it is written: by the names of priorities and reasons, and
// nothing for a reason that never was.
type gateJSON struct {
	Limit    int                                       `json:"limit"`
	InFlight int                                       `json:"in_flight"`
	Waiting  int                                       `json:"waiting"`
	Usual    time.Duration                             `json:"usual"` // ns
	LastShed time.Time                                 `json:"last_shed,omitzero"`
	Admitted map[resilience.Priority]uint64            `json:"admitted"`
	Shed     map[resilience.Priority]map[string]uint64 `json:"shed,omitempty"`
}

// MarshalJSON writes counts by the names of priorities and reasons: {"limit": 1000,
// "admitted": {"critical": 3, …}, "shed": {"low": {"queue_full": 7}}, …}. The usual time
// is in nanoseconds.
func (s GateStats) MarshalJSON() ([]byte, error) {
	out := gateJSON{
		Limit: s.Limit, InFlight: s.InFlight, Waiting: s.Waiting, Usual: s.Usual, LastShed: s.LastShed,
		Admitted: map[resilience.Priority]uint64{},
	}
	for p := range resilience.Priority(resilience.Priorities) {
		out.Admitted[p] = s.Admitted[p]
		for r, n := range s.Shed[p] {
			if n == 0 {
				continue
			}
			if out.Shed == nil {
				out.Shed = map[resilience.Priority]map[string]uint64{}
			}
			if out.Shed[p] == nil {
				out.Shed[p] = map[string]uint64{}
			}
			out.Shed[p][ShedReason(r).String()] = n
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *GateStats) UnmarshalJSON(text []byte) error {
	var in gateJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*s = GateStats{Limit: in.Limit, InFlight: in.InFlight, Waiting: in.Waiting, Usual: in.Usual, LastShed: in.LastShed}
	for p, n := range in.Admitted {
		s.Admitted[p.Class()] = n
	}
	for p, reasons := range in.Shed {
		for name, n := range reasons {
			r := ShedReason(0)
			for r < ShedReasons && r.String() != name {
				r++
			}
			if r == ShedReasons {
				return fmt.Errorf("admission: there is no reason %.40q for turning a call away", name)
			}
			s.Shed[p.Class()][r] = n
		}
	}
	return nil
}

// Turned returns how many calls were turned away, of all priorities and for all reasons.
func (s GateStats) Turned() uint64 {
	var sum uint64
	for _, reasons := range s.Shed {
		for _, n := range reasons {
			sum += n
		}
	}
	return sum
}
