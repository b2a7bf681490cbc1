package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
)

// Handler is what an operation does: it gets its request read and checked, and
// returns what to answer.
type Handler[In, Out any] = func(context.Context, In) (Out, error)

// Get registers a handler for GET and HEAD requests. path is as http.ServeMux takes
// it, without method and host. What is wrong is collected in [API.Err]; on a nil API,
// which has an error anyway, nothing is registered.
func Get[In, Out any](a *API, path string, h Handler[In, Out], opts ...Option) {
	register(a, http.MethodGet, path, h, opts)
}

// Post registers a handler for POST requests, as [Get] does for GET.
func Post[In, Out any](a *API, path string, h Handler[In, Out], opts ...Option) {
	register(a, http.MethodPost, path, h, opts)
}

// Put registers a handler for PUT requests, as [Get] does for GET.
func Put[In, Out any](a *API, path string, h Handler[In, Out], opts ...Option) {
	register(a, http.MethodPut, path, h, opts)
}

// Patch registers a handler for PATCH requests, as [Get] does for GET. Fields of
// pointer types tell what is left out from what is zero.
func Patch[In, Out any](a *API, path string, h Handler[In, Out], opts ...Option) {
	register(a, http.MethodPatch, path, h, opts)
}

// Delete registers a handler for DELETE requests, as [Get] does for GET.
func Delete[In, Out any](a *API, path string, h Handler[In, Out], opts ...Option) {
	register(a, http.MethodDelete, path, h, opts)
}

// Option says something about one operation.
type Option func(*operation)

// Doc documents the operation: a line, and a longer text that may be empty.
func Doc(summary, description string) Option {
	return func(o *operation) { o.doc.Summary, o.doc.Description = summary, description }
}

// ID names the operation for generated clients; without it the name is made of the
// method and the path.
func ID(id string) Option { return func(o *operation) { o.doc.OperationID = id } }

// Tags puts the operation into groups of the documentation; without it the group is
// the first word of the path that is not a version.
func Tags(names ...string) Option { return func(o *operation) { o.doc.Tags = names } }

// Deprecated marks the operation as one that new clients should not use.
func Deprecated() Option { return func(o *operation) { o.doc.Deprecated = true } }

// Status is the status of a success, from 200 to 399; absent, 200, or 204 for
// an Out without fields.
func Status(code int) Option { return func(o *operation) { o.status = code } }

// Errors documents which problems the operation answers with, beside those that any
// can.
func Errors(codes ...problem.Code) Option {
	return func(o *operation) { o.codes = append(o.codes, codes...) }
}

// Paged says what the [page.Query] in the operation's In offers.
func Paged(spec page.Spec) Option { return func(o *operation) { o.spec = &spec } }

// MaxBody is the most bytes this operation's requests may have.
func MaxBody(n int64) Option { return func(o *operation) { o.maxBody = n } }

// Through passes the operation's requests through a middleware, such as one for
// idempotency keys. Of several the first is the outermost.
func Through(middleware func(http.Handler) http.Handler) Option {
	return func(o *operation) { o.through = append(o.through, middleware) }
}

func register[In, Out any](a *API, method, path string, h Handler[In, Out], opts []Option) {
	if a == nil { // Err and ServeHTTP tell
		return
	}
	o := newOperation(a, method, path)
	err := o.apply(opts)
	if err == nil {
		err = compile[In, Out](o)
	}
	if err == nil && h == nil {
		err = errors.New("the handler is nil")
	}
	var wrapped http.Handler
	if err == nil {
		wrapped, err = o.wrap(serve(o, h))
	}
	if err == nil {
		err = a.add(o, wrapped)
	}
	if err != nil {
		a.errs = append(a.errs, fmt.Errorf("rest: %s %s: %w", method, path, err))
	}
}

// serve is the way of every request.
func serve[In, Out any](o *operation, h Handler[In, Out]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p == http.ErrAbortHandler { //nolint:errorlint // it is thrown as it is
				panic(p) //nolint:forbidigo // the author asks net/http to cut the connection
			} else if p != nil {
				o.api.fail(w, r, problem.Recovered(p)) // nothing has been written: only answer does, at the end
			}
		}()
		var in In
		if err := o.in.bind(&in, w, r); err != nil {
			o.api.fail(w, r, err)
			return
		}
		out, err := h(r.Context(), in)
		if err == nil {
			err = o.out.answer(o.api, w, r, &out)
		}
		if err != nil {
			o.api.fail(w, r, err)
		}
	}
}
