package muster

import (
	"net/http"

	"github.com/musterdev/muster/call"
)

// aheadOf answers [call.SeenPath] before next, which may have no room: how the calls of
// an overloaded service stand is what one wants to know of it.
func (a *App) aheadOf(next http.Handler) http.Handler {
	seen := admitHTTP(a.options.guard, call.Handler(func() call.Seen {
		stats := a.door.Stats()
		return call.Seen{Service: a.Name(), Instance: a.Instance(), Calls: a.caller.Stats(), Admission: &stats}
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == call.SeenPath {
			seen.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
