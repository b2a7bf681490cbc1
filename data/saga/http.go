package saga

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/musterdev/muster/data/saga/internal/web"
)

// Listing is the answer to GET /.muster/sagas.
type Listing = web.Listing

// Known is a definition that a build carries on, as a [Listing] has it.
type Known = web.Known

// Handler serves what people ask of an engine, as JSON:
//
//	GET  /.muster/sagas?state=&name=&limit=          a [Listing]
//	GET  /.muster/sagas/{name}/{id}                  a [Detail]
//	POST /.muster/sagas/{name}/{id}/retry            a [Note]; answered with the Detail
//	POST /.muster/sagas/{name}/{id}/skip
//	POST /.muster/sagas/{name}/{id}/compensate
//	POST /.muster/sagas/{name}/{id}/pause
//	POST /.muster/sagas/{name}/{id}/resume
//	POST /.muster/sagas/{name}/{id}/edit             an [Edited]; answered with the Detail
//	POST /.muster/sagas/-/retry                      a [Bulk]; answered with a [Bulked]
//	GET  /.muster/sagas/-/steps                      a list of [Held]
//	POST /.muster/sagas/-/resume                     a [Resume]; answered with a [Resumed]
//	GET  /.muster/sagas/-/stranded                   a list of [Stranded]: see [Engine.Check]
//
// Errors are problems. It shows the sagas' data and changes their course: serve it to
// operators only. With a nil engine every request is answered with 500.
func Handler(e *Engine) http.Handler {
	if e == nil {
		return web.Handler(nil)
	}
	return web.Handler(asked{e})
}

// asked is an engine as its handler asks it.
type asked struct{ *Engine }

func (e asked) Act(ctx context.Context, name, id string, n Note, what string) error {
	return e.interfere(ctx, name, id, n, what)
}

// Known returns the definitions that the engine carries on, by name and version.
func (e asked) Known() []Known {
	list := make([]Known, 0, len(e.defs))
	for _, d := range e.defs {
		k := Known{Name: d.Name, Version: d.Version, Steps: make([]string, len(d.Steps))}
		for i, s := range d.Steps {
			k.Steps[i] = s.Name
		}
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b Known) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version)) })
	return list
}
