package saga

import (
	"context"
	"net/http"

	"github.com/musterdev/muster/data/saga/internal/web"
)

// Listing is the answer to GET /.muster/sagas.
type Listing = web.Listing

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
