package query

import (
	"context"
	"errors"
	"net/http"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

const (
	fewestDigits = 4
	mostIDs      = 20
)

// beginner is a store that finds traces by the first digits of their ids.
type beginner interface {
	Beginning(ctx context.Context, digits string, most int) ([]signal.TraceID, error)
}

func (a *API) getIDs(w http.ResponseWriter, r *http.Request, _ *params) error {
	store, ok := a.cfg.Store.(beginner)
	if !ok {
		return absent("search by the first digits of an id")
	}
	digits := r.PathValue("digits")
	wrong := problem.New(problem.InvalidArgument, "the path: %.60q is no beginning of a trace id: that is %d to %d hexadecimal digits", digits, fewestDigits, 2*len(signal.TraceID{}))
	if len(digits) < fewestDigits {
		return wrong
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Deadline)
	defer cancel()
	found, err := store.Beginning(ctx, digits, mostIDs+1)
	if errors.Is(err, signal.ErrID) {
		return wrong
	} else if err != nil {
		return err
	}
	return reply(w, IDs{Traces: append([]signal.TraceID{}, found[:min(len(found), mostIDs)]...), More: len(found) > mostIDs})
}
