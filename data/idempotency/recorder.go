package idempotency

import (
	"bytes"
	"context"
	"database/sql"
	"maps"
	"net/http"
	"time"

	"github.com/musterdev/muster/problem"
)

// MaxAnswer is the most bytes of a body [Handler] records.
const MaxAnswer = 64 << 10

// settleWithin bounds how long Handler works on its record after the client or the
// handler is gone.
const settleWithin = 5 * time.Second

// answer is an HTTP response on record.
type answer struct {
	Status   int         `json:"status"`
	Header   http.Header `json:"header,omitempty"`
	Body     []byte      `json:"body,omitempty"`
	TooLarge bool        `json:"too_large,omitempty"` // the body is not on record
}

// Handler makes an existing handler idempotent as a whole: the first answer to a
// request with an Idempotency-Key is put on record in db and given to every
// repetition. Keys are read as [Middleware] reads them.
//
// The answer is recorded after the handler's effects, in a transaction of its own: a
// crash in between lets a repetition run the handler again. Use [Run] where that must
// not be. While the handler runs, repetitions get 409 and Retry-After: 1.
// Requests that come at the same time share the commits of their records.
//
// On record are the status, the body and the headers Content-Type, Content-Language,
// Content-Location, Location, Link, ETag, Last-Modified and Cache-Control. Not
// recorded, so that a repetition runs, are answers that say to try again: 401, 403,
// 408, 409 and others with Retry-After, 425, 429, and 500 and above. Of a body over
// 64 KiB only the fact is recorded: a repetition gets 409.
//
// A recorded answer is sent when it is complete; nothing can be streamed or hijacked,
// and a Flush does nothing. With a nil db or next every request is answered with 500.
func Handler(db *sql.DB, next http.Handler) http.Handler {
	switch {
	case db == nil:
		return unusable(errNoDB)
	case next == nil:
		return unusable(errNoHandler)
	}
	together, err := lanesOf(db)
	if err != nil {
		return unusable(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, r, err := read(r)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		if req == nil {
			next.ServeHTTP(w, r)
			return
		}
		claim, err := together.begin(WithRequest(r.Context(), *req))
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		var a answer
		replayed, err := claim.Answer(&a)
		switch {
		case err != nil:
			problem.Write(w, r, err)
		case replayed:
			a.replay(w, r)
		default:
			carryOut(claim, next, w, r)
		}
	})
}

// replay sends an answer again.
func (a *answer) replay(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(ReplayedHeader, "true")
	if a.TooLarge {
		problem.Write(w, r, problem.New(problem.Conflict, "this request was carried out before and answered with status %d; the answer was too large to keep", a.Status))
		return
	}
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the caller is gone: nobody is left to tell
}

// carryOut runs next and sends its answer once that is on record.
func carryOut(claim *Claim, next http.Handler, w http.ResponseWriter, r *http.Request) {
	ctx, stop := claim.Keep(r.Context())
	rec := &recorder{header: http.Header{}}
	settled := false
	settle := func(fn func(ctx context.Context) error) error {
		settled = true
		stop()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), settleWithin)
		defer cancel()
		return fn(ctx)
	}
	defer func() {
		if !settled { // next panicked, which goes on after this
			_ = settle(claim.Release) // else the lease ends by itself
		}
	}()
	next.ServeHTTP(rec, r.WithContext(ctx))
	if !rec.final() {
		_ = settle(claim.Release) // else the lease ends by itself
	} else if err := settle(func(ctx context.Context) error {
		return claim.finish(ctx, rec.answer())
	}); err != nil {
		problem.Write(w, r, problem.Wrap(err, problem.Unknown, "the request was carried out, but its answer could not be recorded: ask again with the same key"))
		return
	}
	rec.send(w)
}

// recorder is a ResponseWriter that keeps what it is given.
type recorder struct {
	header http.Header
	sent   http.Header // as it was when the status was set
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

// Flush does nothing: the answer is sent when it is on record. It is there for
// handlers that count on an http.Flusher. There is no Unwrap on purpose, for by it
// http.ResponseController would reach the writer behind the record.
func (r *recorder) Flush() {}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK { // 1xx are not passed on
		r.status, r.sent = status, r.header.Clone()
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// final reports whether the answer would be the same for a repetition.
func (r *recorder) final() bool {
	r.WriteHeader(http.StatusOK)
	switch r.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return r.status < http.StatusInternalServerError && r.sent.Get("Retry-After") == ""
}

func (r *recorder) answer() *answer {
	a := &answer{Status: r.status, Header: http.Header{}}
	for _, name := range []string{
		"Content-Type", "Content-Language", "Content-Location", "Location", "Link", "Etag", "Last-Modified", "Cache-Control",
	} {
		if v := r.sent.Values(name); len(v) > 0 {
			a.Header[name] = v
		}
	}
	if a.TooLarge = r.body.Len() > MaxAnswer; !a.TooLarge {
		a.Body = r.body.Bytes()
	}
	return a
}

func (r *recorder) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), r.sent)
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes()) // the caller is gone: nobody is left to tell
}
