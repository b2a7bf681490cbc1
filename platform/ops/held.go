package ops

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/problem"
)

// Held is a step that is held for all sagas of a service: see saga.Hold.
type Held struct {
	Service string `json:"service"`
	saga.Held
}

// Held returns the steps that are held, of all services.
func (f *Fleet) Held(ctx context.Context) (list []Held, err error) {
	found, err := each(ctx, f.Services, func(ctx context.Context, s Service) (saga.Listing, error) {
		return s.listing(ctx, url.Values{"limit": {"1"}})
	})
	return heldIn(found), err
}

func heldIn(found map[string]saga.Listing) (list []Held) {
	for service, one := range found {
		for _, h := range one.Held {
			list = append(list, Held{service, h})
		}
	}
	slices.SortFunc(list, func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.String(), b.String()))
	})
	return list
}

// StepName is what a person calls a step of all sagas of a name: SAGA/STEP, or
// SAGA/STEP/undo for its Undo.
type StepName struct {
	Name, Step string
	Undoing    bool
}

// ParseStep reads a StepName.
func ParseStep(text string) (n StepName, err error) {
	parts := strings.Split(text, "/")
	undo := len(parts) == 3 && parts[2] == "undo"
	if len(parts) != 2 && !undo || parts[0] == "" || parts[1] == "" {
		return n, problem.New(problem.InvalidArgument, "%.100q names no step: write SAGA/STEP, or SAGA/STEP/undo for its Undo, as muster saga steps shows them", text)
	}
	return StepName{parts[0], parts[1], undo}, nil
}

func (n StepName) String() string {
	if n.Undoing {
		return n.Name + "/" + n.Step + "/undo"
	}
	return n.Name + "/" + n.Step
}

func (h Held) name() StepName { return StepName{h.Name, h.Step, h.Undoing} }

// ResumeStep lifts a step that is held, see saga.Engine.ResumeStep, in the one service where it
// is, or in that which is named.
func (f *Fleet) ResumeStep(ctx context.Context, service string, n StepName, note saga.Note) (done saga.Resumed, in string, err error) {
	services, err := f.only(service)
	if err != nil {
		return done, "", err
	}
	list, failed := (&Fleet{Services: services}).Held(ctx)
	var where, others []string
	for _, h := range list {
		if h.name() == n {
			where = append(where, h.Service)
		} else {
			others = append(others, h.name().String())
		}
	}
	switch {
	case len(where) > 1:
		return done, "", problem.New(problem.InvalidArgument, "the step %s is held in %s: choose by --service", n, strings.Join(where, " and "))
	case len(where) == 0 && failed != nil: // one that was not asked may hold it
		return done, "", failed
	case len(where) == 0 && len(others) == 0:
		return done, "", problem.New(problem.FailedPrecondition, "the step %s is not held, and no other is: there is nothing to resume", n)
	case len(where) == 0:
		return done, "", problem.New(problem.FailedPrecondition, "the step %s is not held; held are %s", n, strings.Join(others, ", "))
	}
	if services, err = f.only(where[0]); err != nil {
		return done, "", err
	}
	o := saga.Resume{Note: note}
	o.Name, o.Step, o.Undoing = n.Name, n.Step, n.Undoing
	return done, where[0], services[0].order(ctx, sagasPath+"/-/resume", o, &done)
}

// WriteHeld writes what Held returned, for people.
func WriteHeld(out io.Writer, list []Held) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no step is held")
		return err
	}
	w := columns(out)
	_, _ = fmt.Fprintln(w, "SERVICE\tSTEP\tWAITING\tHELD\tNEXT TRY\tERROR")
	for _, h := range list {
		next := "by a person"
		if !h.ProbeAt.IsZero() {
			next = "by itself"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s ago\t%s\t%s\n", h.Service, h.name(), h.Waiting, ago(h.Since), next, short(h.Error, 60))
	}
	return w.Flush()
}
