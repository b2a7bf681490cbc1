package route

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/musterdev/muster/problem"
)

// circles finds redirects that lead to themselves: a client that follows one goes round until
// it gives up. What another host, port or scheme leads to is not known here.
func (t *Table) circles() error {
	c := &checker{problem.New(problem.InvalidArgument, "the routing table is not valid")}
	for i, r := range t.routes {
		to := r.Redirect
		if to == nil || to.Scheme != "" || to.Port != 0 || to.Host != "" && to.Host != r.Host || len(r.Headers)+len(r.Query) > 0 {
			continue
		}
		path, err := CanonicalPath(escaped(r.Path))
		if w := newRewriting(r); w.on {
			path, err = CanonicalPath(w.apply(escaped(r.Path)))
		}
		if err != nil {
			continue // said already
		}
		ask := &Ask{Host: strings.Replace(r.Host, "*", "a", 1), Path: path}
		if len(r.Methods) > 0 {
			ask.Method = r.Methods[0]
		}
		if cmp.Or(to.Status, http.StatusPermanentRedirect) == http.StatusSeeOther {
			ask.Method = http.MethodGet
		}
		if found, _ := t.Find(ask); found != nil && found.Index == i {
			c.add(fmt.Sprintf("routes[%d].redirect", i), "leads to %.200q, which is this route's again: clients would go round", path)
		}
	}
	if len(c.err.Details) > 0 {
		return c.err
	}
	return nil
}
