// Package filter is what a request passes at the edge before it is passed on: who asks,
// how often, from where, for what. A [Filter] sees the head of a request as [Request] has
// it, whichever engine read it, and lets it go on, changes it or ends it. What needs bodies
// is a [Middleware], written against net/http.
//
// Each kind of filter is a folder below this one with one [Maker]; the gateway is given them
// by value. The filters of a route are compiled into a [Chain].
package filter

import (
	"context"
	"net/http"
)

// Filter judges requests. It is asked by many goroutines at the same time.
type Filter interface {
	// Request judges one request, and may change r.Fields, which go to the service, and
	// r.Reply, which goes to the client. An error ends the request: it is answered as the
	// *[Answer] says, or as a *problem.Error. It is called on the goroutine of the client's
	// connection: what waits for others waits no longer than ctx and bounds itself.
	Request(ctx context.Context, r *Request) error
}

// Answerer is a Filter that sees the heads of answers too, those of the edge itself
// among them.
type Answerer interface {
	Filter

	// Answer may change the fields of an answer before it is written. It does not wait.
	Answer(r *Request, status int, fields Fields)
}

// Ender is a Filter that is told of each request it let through, once it has ended.
type Ender interface {
	Filter

	// End is called once, whatever came of the request; status is that of its answer, 499
	// when the client went away before it. It does not wait.
	End(r *Request, status int)
}

// Middleware is a Filter that works on whole requests and answers, as compression does. The
// requests of its routes are served by net/http, at its price.
type Middleware interface {
	Filter

	// Wrap returns a handler in front of next, which passes the request on.
	Wrap(next http.Handler) http.Handler
}

// Owner is a Filter that sets fields which no client may: before any filter of the route is
// asked they are dropped from the request, in each spelling. Those of the edge itself, such
// as [SubjectField], are dropped of every request and need not be among them.
type Owner interface {
	Filter

	// Owns returns the names of the fields.
	Owns() []string
}

// Introducer is a Filter that may find out who asks, and says so by [Request.Identify].
type Introducer interface {
	Filter

	// Introduces reports whether it does, as it was told to work.
	Introduces() bool
}

// Judge is a Filter that lets nobody in of whom no [Introducer] before it has said who asks. A
// route with one that has none before it is a mistake of its document.
type Judge interface {
	Filter

	// Judges is there to tell such a filter from others.
	Judges()
}

// Closer is a Filter that holds something, such as a goroutine: Close is called once no new
// request will ask it. Those under way still may, and it answers by what it knows.
type Closer interface {
	Filter

	Close() error
}
