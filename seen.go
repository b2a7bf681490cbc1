package muster

import (
	"net/http"

	"github.com/musterdev/muster/call/seen"
)

// aheadOf answers [seen.Path] before next, which may have no room: how the calls of
// an overloaded service stand is what one wants to know of it.
func (a *App) aheadOf(next http.Handler) http.Handler {
	show := admitHTTP(a.options.guard, seen.Handler(func() seen.Process {
		stats := a.door.Stats()
		return seen.Process{
			Service: a.Name(), Instance: a.Instance(), Calls: a.caller.Stats(),
			Admission: &stats, Limits: a.door.Quota().Stats(), Database: seen.PoolOf(a.pool.Load()),
		}
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == seen.Path {
			show.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
