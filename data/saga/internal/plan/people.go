package plan

import (
	"slices"
	"strings"

	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/problem"
)

// Note says who interfered and why. Both are kept with the saga.
type Note struct {
	By  string `json:"by"`  // 1 to 100 bytes
	Why string `json:"why"` // 1 to 1000 bytes
}

// Check says what is missing.
func (n Note) Check() error {
	for field, v := range map[string]struct {
		text string
		most int
	}{"by": {n.By, 100}, "why": {n.Why, 1000}} {
		if strings.TrimSpace(v.text) == "" || len(v.text) > v.most || Clip(v.text) != v.text {
			return problem.New(problem.InvalidArgument, "say who changes the course of the saga, and why: %q is missing, or too long", field).
				WithField(field, "1 to "+map[string]string{"by": "100", "why": "1000"}[field]+" bytes")
		}
	}
	return nil
}

// action is what a person may do to a saga: it returns how the saga goes on, or says
// why that cannot be.
type action struct {
	outcome string
	move    func(d *Definition, r table.Row, why string) (to table.Row, no string)
}

var actions = map[string]action{
	"retry": {"retried", func(_ *Definition, r table.Row, _ string) (table.Row, string) {
		if no := stuck(r); no != "" {
			return r, no
		}
		if r.State != table.Paused && r.Held {
			return r, "it is being tried right now"
		}
		to := r.Fresh()
		to.State, to.Doubt = r.Active(), r.Doubt
		return to, ""
	}},
	"skip": {"skipped", func(d *Definition, r table.Row, _ string) (table.Row, string) {
		if no := stuck(r); no != "" {
			return r, no
		}
		return d.Next(r), ""
	}},
	"pause": {"paused", func(d *Definition, r table.Row, _ string) (table.Row, string) {
		switch {
		case r.Ended():
			return r, "it has ended"
		case r.State == table.Waiting:
			return r, "it waits for an answer, and nothing is carried out meanwhile"
		case r.State == table.Paused:
			return r, "it is paused already"
		}
		to := r
		if i := d.Find(r.Step); r.Held && i >= 0 && i < len(d.Steps) && !d.Steps[i].Local { // it is being asked right now
			to.Doubt = true
		}
		to.State, to.After = table.Paused, 0
		return to, ""
	}},
	"resume": {"resumed", func(_ *Definition, r table.Row, _ string) (table.Row, string) {
		if r.State != table.Paused {
			return r, "it is not paused"
		}
		to := r
		to.State, to.After = r.Active(), 0
		return to, ""
	}},
	"compensate": {"compensated", func(d *Definition, r table.Row, why string) (table.Row, string) {
		if r.Ended() {
			return r, "it has ended"
		}
		return d.Compensate(r, why)
	}},
}

// stuck says why a saga is not in the way of a person who would help it on.
func stuck(r table.Row) string {
	switch {
	case r.Ended():
		return "it has ended"
	case r.State == table.Waiting:
		return "it waits for an answer"
	case r.State != table.Paused && r.Attempts == 0:
		return "its step has not failed"
	}
	return ""
}

// Known reports whether people may do such a thing.
func Known(what string) bool { return actions[what].move != nil }

// OutcomeOf is what the history says of it.
func OutcomeOf(what string) string { return actions[what].outcome }

// Act is a saga after a person did something to it. no says why it cannot be.
func Act(what string, d *Definition, r table.Row, why string) (to table.Row, no string) {
	return actions[what].move(d, r, why)
}

// Possible lists what a person may do.
func Possible(d *Definition, r table.Row) string {
	var list []string
	for what, a := range actions {
		if _, no := a.move(d, r, ""); no == "" {
			list = append(list, what)
		}
	}
	if slices.Sort(list); len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}
