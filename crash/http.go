package crash

import (
	"encoding/json"
	"net/http"

	"github.com/musterdev/muster/problem"
)

// Order is what [Plan.Handler] takes: to record, or to crash at a point. Without either
// it ends what was ordered before.
type Order struct {
	Record bool `json:"record,omitempty"`
	Point
}

// State is what [Plan.Handler] answers.
type State struct {
	Counting   bool       `json:"counting"`
	Counted    int        `json:"counted"` // since counting began
	Recorded   bool       `json:"recorded"`
	Boundaries []Boundary `json:"boundaries,omitempty"` // what was recorded
	Armed      *Point     `json:"armed,omitempty"`      // and not come to yet
}

// Handler lets a drill use the plan from outside: GET answers a [State]; POST takes an
// [Order] and counting begins anew before it is answered with the state. The answer to a
// POST is not counted itself, so a drill sends one and then begins.
//
// It ends the process of whoever is told to: it is for a service that a drill has started.
func (p *Plan) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
		case http.MethodPost:
			var o Order
			in := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
			in.DisallowUnknownFields()
			if err := in.Decode(&o); err != nil {
				problem.Write(w, r, problem.Wrap(err, problem.InvalidArgument, `the order cannot be read: send {"record": true} or {"at": "commit #3", "side": "before"}`))
				return
			}
			if err := p.order(o); err != nil {
				problem.Write(w, r, problem.Wrap(err, problem.InvalidArgument, "%v", err))
				return
			}
		default:
			w.Header().Set("Allow", "GET, POST")
			http.Error(w, "GET and POST are known here", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.state()) // who asked has left
	})
}

// Answer is the name under which package muster counts what a service answers over HTTP.
const Answer = "answer http"

func (p *Plan) order(o Order) error {
	switch {
	case o.Record:
		p.begin(Point{}, true, Answer)
	case o.Point != Point{}:
		if err := o.check(); err != nil {
			return err
		}
		p.begin(o.Point, false, Answer)
	default:
		p.Disarm()
	}
	return nil
}

func (p *Plan) state() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{Counting: p.counting, Counted: p.index, Recorded: p.record, Boundaries: append([]Boundary(nil), p.recorded...)}
	if p.at.Side != "" {
		at := p.at
		s.Armed = &at
	}
	return s
}
