package require

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/credential"
	"github.com/musterdev/muster/problem"
)

// Config is what the filter is told.
type Config struct {
	Rules

	// Subjects, when there are any, are the only ones let in.
	Subjects []string `json:"subjects,omitempty"`
	// By, when there are any, are the only ways in which the subject may have been found out:
	// "jwt", "key", "mtls", "external".
	By []string `json:"by,omitempty"`
}

// Filter lets in who has what is asked for.
type Filter struct{ cfg Config }

var _ filter.Judge = (*Filter)(nil)

// Make is the [filter.Maker] of the kind "require".
func Make(_ context.Context, _ filter.Env, with json.RawMessage) (filter.Filter, error) {
	var cfg Config
	if err := filter.Decode(with, &cfg); err != nil {
		return nil, err
	}
	var m filter.Mistakes
	cfg.Check(&m)
	for _, by := range cfg.By {
		if ways := []string{"jwt", "key", "mtls", "external"}; !slices.Contains(ways, by) {
			m.Add("by", "%q is not known: there are jwt, key, mtls and external", by)
		}
	}
	if err := m.Err(); err != nil {
		return nil, err
	}
	return New(cfg), nil
}

// New returns a filter.
func New(cfg Config) *Filter { return &Filter{cfg} }

// Judges implements [filter.Judge].
func (f *Filter) Judges() {}

// Request implements [filter.Filter].
func (f *Filter) Request(_ context.Context, r *filter.Request) error {
	s := &r.Subject
	switch {
	case s.ID == "":
		r.Reply.Set("WWW-Authenticate", "Bearer")
		return problem.New(problem.Unauthenticated, "this is only for those who say who they are")
	case len(f.cfg.By) > 0 && !slices.Contains(f.cfg.By, s.By), len(f.cfg.Subjects) > 0 && !slices.Contains(f.cfg.Subjects, s.ID):
		return problem.New(problem.PermissionDenied, "this is not for you")
	}
	if f.cfg.Lacks(s) && s.By == "jwt" {
		r.Reply.Set("WWW-Authenticate", credential.Challenge{Scheme: "Bearer", Code: "insufficient_scope", Scope: f.cfg.Needs()}.String())
	}
	return f.cfg.Judge(s)
}
