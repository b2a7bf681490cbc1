package muster

import (
	"net/http"

	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/problem"
)

// notFound gives requests that no pattern matches the one error shape: 405 with Allow
// where the path is known by other methods (RFC 9110, 15.5.6), else 404. Of the others it
// tells telemetry the pattern, the innermost where handlers of patterns are nested.
func (a *App) notFound(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse, pattern := mux.Handler(r)
		if pattern != "" {
			defer func() { observe.Route(r.Context(), observe.RouteOf(r.Pattern)) }()
			mux.ServeHTTP(w, r)
			return
		}
		said := refusal{header: http.Header{}}
		refuse.ServeHTTP(&said, r) // only the mux knows the methods of a path
		if said.status != http.StatusMethodNotAllowed {
			problem.Write(w, r, problem.New(problem.NotFound, "service %q has no %s", a.Name(), r.URL.Path))
			return
		}
		allow := said.header.Get("Allow")
		w.Header().Set("Allow", allow)
		err := problem.New(problem.Unimplemented, "%s does not take %s: it takes %s", r.URL.Path, r.Method, allow)
		err.Status = http.StatusMethodNotAllowed
		problem.Write(w, r, err)
	})
}

// refusal keeps status and header of an answer that is not sent.
type refusal struct {
	header http.Header
	status int
}

func (s *refusal) Header() http.Header         { return s.header }
func (s *refusal) WriteHeader(status int)      { s.status = status }
func (s *refusal) Write(p []byte) (int, error) { return len(p), nil }
