package rest

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest/docs"
	"github.com/musterdev/muster/rest/openapi"
)

// Info is what an API is called and how it is served.
type Info struct {
	Title       string
	Version     string // of the API; empty means 0.0.0
	Description string
	Servers     []string     // base URLs for the document; empty means where it was read from
	MaxBody     int64        // most bytes of a request's body; 0 means 1 MiB
	Log         *slog.Logger // learns the causes of answers of 500 and more; nil drops them
}

// DefaultMaxBody is the most bytes a request's body may have where Info says nothing.
const DefaultMaxBody = 1 << 20

// API is a set of operations, and an http.Handler that serves them, /openapi.json
// and /docs. Register everything first, look at Err, then serve: serving is safe for
// concurrent use, registration is for one goroutine and ends with the first request.
type API struct {
	info      Info
	mux       *http.ServeMux
	schemas   openapi.Schemas
	resources []*resource // in the order of registration
	errs      []error
	buffers   sync.Pool // of *bytes.Buffer, for answers

	seal    sync.Once
	sealed  bool
	broken  error // the errors there were when serving began
	openAPI http.Handler
}

// resource is one path with what its methods do.
type resource struct {
	pattern string // as ServeMux takes it
	path    string // as OpenAPI writes it
	methods map[string]http.Handler
	allow   string
	item    *openapi.PathItem
}

// New returns an API without operations.
func New(info Info) *API {
	a := &API{info: info, mux: http.NewServeMux()}
	a.buffers.New = func() any { return new(bytes.Buffer) }
	// They are there from the start, so that an operation on their paths is refused at once.
	a.mux.HandleFunc("/openapi.json", func(w http.ResponseWriter, r *http.Request) { a.openAPI.ServeHTTP(w, r) })
	a.mux.Handle("/docs", docs.Page(info.Servers...))
	if info.Title == "" {
		a.errs = append(a.errs, errors.New("rest: Info has no Title; an OpenAPI document needs one"))
	}
	if info.Version == "" {
		a.info.Version = "0.0.0"
	}
	if info.MaxBody <= 0 {
		a.info.MaxBody = DefaultMaxBody
	}
	return a
}

// Err returns everything that was wrong with what has been registered, one line
// each, nil when nothing was. Look at it before serving.
func (a *API) Err() error {
	if a == nil {
		return errNoAPI
	}
	return errors.Join(a.errs...)
}

var errNoAPI = errors.New("rest: the API is nil; make one by rest.New")

// add makes one operation reachable and documented.
func (a *API) add(o *operation, h http.Handler) error {
	if a.sealed {
		return errors.New("it came after the first request; register everything before serving")
	}
	path, err := checkPattern(o.pattern)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(a.resources, func(r *resource) bool { return r.pattern == o.pattern })
	if i < 0 {
		r := &resource{pattern: o.pattern, path: path, methods: map[string]http.Handler{}, item: &openapi.PathItem{}}
		if err := handle(a.mux, o.pattern, r); err != nil {
			return err
		}
		a.resources = append(a.resources, r)
		i = len(a.resources) - 1
	}
	r := a.resources[i]
	if r.methods[o.method] != nil {
		return errors.New("it is registered twice")
	}
	for _, other := range a.resources {
		if slices.ContainsFunc(other.item.Operations(), func(x *openapi.Operation) bool { return x.OperationID == o.doc.OperationID }) {
			return fmt.Errorf("the operation id %q is taken; give it another by rest.ID", o.doc.OperationID)
		}
	}
	r.set(o.method, h, o.doc)
	return nil
}

// handle registers with a mux that panics where a pattern is bad or collides.
func handle(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	mux.Handle(pattern, h)
	return nil
}

// checkPattern returns a pattern's path as OpenAPI writes it.
func checkPattern(pattern string) (string, error) {
	if !strings.HasPrefix(pattern, "/") {
		return "", errors.New("the path must begin with /, without method and host")
	}
	path := strings.ReplaceAll(strings.TrimSuffix(pattern, "{$}"), "...}", "}")
	return path, nil
}

func (r *resource) set(method string, h http.Handler, doc *openapi.Operation) {
	r.methods[method] = h
	r.item.Set(method, doc)
	names := []string{http.MethodOptions}
	for m := range r.methods {
		names = append(names, m)
	}
	if r.methods[http.MethodGet] != nil {
		names = append(names, http.MethodHead)
	}
	slices.Sort(names)
	r.allow = strings.Join(names, ", ")
}

func (r *resource) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	method := req.Method
	if method == http.MethodHead {
		method = http.MethodGet // the server leaves out the body
	}
	if h := r.methods[method]; h != nil {
		h.ServeHTTP(w, req)
		return
	}
	w.Header().Set("Allow", r.allow)
	if method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	e := problem.New(problem.Unimplemented, "%s is not offered here; there are %s", req.Method, r.allow)
	e.Status = http.StatusMethodNotAllowed
	problem.Write(w, req, e)
}

// ServeHTTP serves the operations, /openapi.json and /docs. With the first request
// the API is complete. An API with errors answers everything with a 500.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a == nil {
		problem.Write(w, r, problem.Wrap(errNoAPI, problem.Internal, "this API is not set up rightly"))
		return
	}
	a.seal.Do(a.finish)
	if a.broken != nil {
		a.fail(w, r, problem.Wrap(a.broken, problem.Internal, "this API is not set up rightly; its log says why"))
		return
	}
	a.mux.ServeHTTP(w, r)
}

// finish adds what depends on all operations.
func (a *API) finish() {
	a.sealed = true
	document, err := a.document()
	if err != nil {
		a.errs = append(a.errs, err)
	}
	a.openAPI = docs.Document(document)
	if err := handle(a.mux, "/", http.HandlerFunc(notFound)); err != nil && !a.catchesAll() {
		a.errs = append(a.errs, fmt.Errorf("rest: %w", err))
	}
	a.broken = a.Err()
}

// catchesAll reports whether an operation takes every path, so that none is left to be not found.
func (a *API) catchesAll() bool {
	return slices.ContainsFunc(a.resources, func(r *resource) bool {
		return r.pattern == "/" || strings.HasSuffix(r.pattern, "...}") && strings.Count(r.pattern, "/") == 1
	})
}

func notFound(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, r, problem.New(problem.NotFound, "there is nothing at %s", r.URL.Path))
}

// fail answers with an error and tells the log what the caller does not see.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if code := problem.CodeOf(err); a.info.Log != nil && code.HTTPStatus() >= 500 {
		a.info.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "code", string(code), "error", err)
	}
	problem.Write(w, r, err)
}
