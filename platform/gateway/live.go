package gateway

import (
	"io"
	"net/http"

	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

// LivePath is where the edge says on the port of its traffic that it is alive. No route
// takes it; it is neither logged nor counted.
const LivePath = route.Operations + "/livez"

// own answers what lies below route.Operations before anything is routed: services are
// operated there, and whoever comes from outside is not to reach it, whatever the
// routes say.
func own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !route.Operates(r.URL.Path):
			next.ServeHTTP(w, r)
		case r.URL.Path != LivePath:
			problem.Write(w, r, problem.New(problem.NotFound, "the edge has no %.200s", r.URL.Path))
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			_, _ = io.WriteString(w, "ok\n") // who asked has gone
		default:
			w.Header().Set("Allow", "GET, HEAD")
			e := problem.New(problem.Unimplemented, "%.20s is not possible here; use GET", r.Method)
			e.Status = http.StatusMethodNotAllowed
			problem.Write(w, r, e)
		}
	})
}
