// Package web serves what people ask of an engine of sagas.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/problem"
)

// Listing is the answer to GET /.muster/sagas.
type Listing struct {
	Sagas       []table.Entry `json:"sagas"`
	Counts      []table.Count `json:"counts"`      // of all, whatever the filter
	Held        []table.Held  `json:"held"`        // steps, whatever the filter
	Definitions []Known       `json:"definitions"` // that this build carries on, whatever the filter, sorted
}

// Known is a definition of a build.
type Known struct {
	Name    string   `json:"name"`
	Version int      `json:"version"`
	Steps   []string `json:"steps"` // in their order
}

const root = "/.muster/sagas"

// Engine is what is asked.
type Engine interface {
	Known() []Known
	List(ctx context.Context, f table.Filter) ([]table.Entry, error)
	Counts(ctx context.Context) ([]table.Count, error)
	Show(ctx context.Context, name, id string) (table.Detail, error)
	Act(ctx context.Context, name, id string, n plan.Note, what string) error
	Edit(ctx context.Context, name, id string, ed Edited) error
	RetryAll(ctx context.Context, b Bulk) (Bulked, error)
	Check(ctx context.Context) ([]plan.Stranded, error)
	Held(ctx context.Context) ([]table.Held, error)
	ResumeStep(ctx context.Context, o Resume) (Resumed, error)
}

// Resume says which step is to be lifted.
type Resume struct {
	plan.Note
	table.At
}

// Resumed is what became of that.
type Resumed struct {
	Sagas int64 `json:"sagas"` // that waited at the step, and go on
}

// Edited are a saga's data as a person wants them.
type Edited struct {
	plan.Note

	Seq  int64           `json:"seq"`  // of the saga when its data were read: see Entry
	Data json.RawMessage `json:"data"` // whole, as Detail shows them
}

// Bulk says which sagas are meant.
type Bulk struct {
	plan.Note

	Name  string `json:"name"`  // of the definition
	Error string `json:"error"` // is part of the error of each; not empty
}

// Bulked is what became of them.
type Bulked struct {
	Retried int64 `json:"retried"`
	Refused int64 `json:"refused"` // they were helped on by another meanwhile, or this build does not know their version
}

// Handler serves an engine; nil answers every request with 500.
func Handler(e Engine) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern, method string, serve func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			var answer any
			err := allowed(w, r, method)
			if err == nil && e == nil {
				err = errors.New("saga: the handler has no engine")
			}
			if err == nil {
				answer, err = serve(r)
			}
			if err != nil {
				problem.Write(w, r, err)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			_ = json.NewEncoder(w).Encode(answer) // the caller is gone: nobody is left to tell
		})
	}
	handle(root, http.MethodGet, func(r *http.Request) (any, error) { return listing(e, r) })
	handle(root+"/-/stranded", http.MethodGet, func(r *http.Request) (any, error) { // no saga is called -
		list, err := e.Check(r.Context())
		return append([]plan.Stranded{}, list...), err
	})
	handle(root+"/-/retry", http.MethodPost, func(r *http.Request) (any, error) {
		var b Bulk
		if err := read(r, &b, maxNote); err != nil {
			return nil, err
		}
		return e.RetryAll(r.Context(), b)
	})
	handle(root+"/-/steps", http.MethodGet, func(r *http.Request) (any, error) {
		list, err := e.Held(r.Context())
		return append([]table.Held{}, list...), err
	})
	handle(root+"/-/resume", http.MethodPost, func(r *http.Request) (any, error) {
		var o Resume
		if err := read(r, &o, maxNote); err != nil {
			return nil, err
		}
		return e.ResumeStep(r.Context(), o)
	})
	handle(root+"/{name}/{id}", http.MethodGet, func(r *http.Request) (any, error) {
		return e.Show(r.Context(), r.PathValue("name"), r.PathValue("id"))
	})
	handle(root+"/{name}/{id}/{action}", http.MethodPost, func(r *http.Request) (any, error) { return act(e, r) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.NotFound, "there is nothing at this path"))
	})
	return mux
}

func allowed(w http.ResponseWriter, r *http.Request, method string) error {
	if r.Method == method || method == http.MethodGet && r.Method == http.MethodHead {
		return nil
	}
	w.Header().Set("Allow", method)
	p := problem.New(problem.Unimplemented, "this path takes %s only", method)
	p.Status = http.StatusMethodNotAllowed
	return p
}

func listing(e Engine, r *http.Request) (Listing, error) {
	var f table.Filter
	for name, values := range r.URL.Query() {
		var err error
		switch name {
		case "state":
			f.State = table.State(values[0])
		case "name":
			f.Name = values[0]
		case "limit":
			if f.Limit, err = strconv.Atoi(values[0]); err != nil || f.Limit < 1 {
				return Listing{}, problem.New(problem.InvalidArgument, "the limit %q is no number from 1 to %d", values[0], table.MaxLimit).WithField("limit", "1 to 1000")
			}
		default:
			return Listing{}, problem.New(problem.InvalidArgument, "there is no parameter %q: state, name and limit are taken", name).WithField(name, "unknown")
		}
		if len(values) > 1 {
			return Listing{}, problem.New(problem.InvalidArgument, "the parameter %q is given %d times", name, len(values)).WithField(name, "once")
		}
	}
	entries, err := e.List(r.Context(), f)
	if err != nil {
		return Listing{}, err
	}
	counts, err := e.Counts(r.Context())
	if entries == nil {
		entries = []table.Entry{}
	}
	if counts == nil {
		counts = []table.Count{}
	}
	if err != nil {
		return Listing{}, err
	}
	held, err := e.Held(r.Context())
	return Listing{Sagas: entries, Counts: counts, Held: append([]table.Held{}, held...), Definitions: e.Known()}, err
}

func act(e Engine, r *http.Request) (table.Detail, error) {
	name, id, what := r.PathValue("name"), r.PathValue("id"), r.PathValue("action")
	if what != edit && !plan.Known(what) {
		return table.Detail{}, problem.New(problem.NotFound, "a saga takes retry, skip, compensate, pause, resume and edit, not %q", what)
	}
	var err error
	if what == edit {
		var ed Edited
		if err = read(r, &ed, maxNote+2*table.MaxData); err == nil {
			err = e.Edit(r.Context(), name, id, ed)
		}
	} else {
		var n plan.Note
		if err = read(r, &n, maxNote); err == nil {
			err = e.Act(r.Context(), name, id, n, what)
		}
	}
	if err != nil {
		return table.Detail{}, err
	}
	return e.Show(r.Context(), name, id)
}

const (
	edit    = "edit"
	maxNote = 8 << 10
)

// read reads an order, strictly. Other media types are refused, so that no page of
// another site can send one in a browser's name.
func read(r *http.Request, dst any, most int64) (err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		p := problem.New(problem.InvalidArgument, "send application/json")
		p.Status = http.StatusUnsupportedMediaType
		return p
	}
	body := json.NewDecoder(http.MaxBytesReader(nil, r.Body, most))
	body.DisallowUnknownFields()
	if err = body.Decode(dst); err == nil {
		if _, more := body.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the object")
		}
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return problem.Wrap(err, problem.TooLarge, "the body is larger than %d bytes", most)
	case err != nil:
		return problem.Wrap(err, problem.InvalidArgument, `send a JSON object such as {"by": "ann", "why": "the card processor is back"}: %s`, err)
	}
	return nil
}
