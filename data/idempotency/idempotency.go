// Package idempotency makes a repeated request have the effect of one: a client
// that got no answer sends the same request with the same key again, and gets the
// answer of the first.
//
// [Run] is for an operation of one transaction: its effect and its answer are
// committed together, so no crash comes between them. [Begin] is for an operation of
// several: one attempt at a time holds a claim, and when it crashes the next resumes.
// [Handler] puts whole HTTP answers of an existing handler on record.
//
// The key comes with the context: [Middleware] takes it from the HTTP header
// Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), [UnaryServerInterceptor]
// from the gRPC metadata idempotency-key, [WithRequest] from anywhere. Without a key
// everything runs as if this package were not there.
//
// All records are in one table, made by [Migrate] in the service's own database, and
// deleted by [Sweep].
package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/musterdev/muster/problem"
)

// Lease is how long a claim is its holder's alone after [Begin] or the last
// extension, by the database's clock.
const Lease = 5 * time.Second

// MaxKey is the most characters a key may have.
const MaxKey = 255

// What Run, Begin and Finish return beside errors of the database and of the
// caller's functions. All cross HTTP and gRPC as problems.
var (
	// ErrInFlight says that another attempt of the same request is under way: 409,
	// to be tried again after a second.
	ErrInFlight error = problem.New(problem.Conflict, "a request with this idempotency key is being carried out: ask again with the same key").WithRetryAfter(time.Second)
	// ErrMismatch says that the key came before with another request: 422.
	ErrMismatch error = problem.New(problem.Unprocessable, "this idempotency key was used for a different request: make a new key for each request")
	// ErrFenced says that a claim was lost, because it was not extended in time and
	// another attempt took it over: what it did must not be committed. 409, as ErrInFlight.
	ErrFenced error = problem.New(problem.Conflict, "another attempt of this request has taken over: ask again with the same key").WithRetryAfter(time.Second)
)

// Request is what makes two requests the same.
type Request struct {
	Scope       string   // within which Key is unique: the operation and who asks for it
	Key         string   // chosen by the client, 1 to 255 visible ASCII characters; "" means none
	Fingerprint [32]byte // hash of the request: the same key with another one is refused
}

// call is a Request on its way through the code that serves it.
type call struct {
	Request
	replayed atomic.Bool // the answer is that of an earlier attempt
	answered atomic.Bool // the answer is on record
}

type callKey struct{}

// WithRequest returns a context by which Run and Begin know the request they serve.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, callKey{}, &call{Request: r})
}

// FromContext returns the request ctx serves; ok is false when it carries no key.
func FromContext(ctx context.Context) (r Request, ok bool) {
	c := callOf(ctx)
	if c == nil {
		return Request{}, false
	}
	return c.Request, true
}

// Replayed reports whether Run or Begin found the answer on record.
func Replayed(ctx context.Context) bool {
	c := callOf(ctx)
	return c != nil && c.replayed.Load()
}

// Part returns a context for one of several operations that serve one request: each
// has a record of its own under the request's key. name says which it is.
//
// The operations of one request come one after the other, in the same order for each
// repetition, and never one within the function of another. Each is committed by
// itself: when the second fails the first stays, and a repetition is given the first
// one's answer and carries out the second. What must be there together or not at all
// belongs into one operation.
func Part(ctx context.Context, name string) context.Context {
	r, ok := FromContext(ctx)
	if !ok {
		return ctx
	}
	r.Scope += " " + name
	return WithRequest(ctx, r)
}

func callOf(ctx context.Context) *call {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok || c.Key == "" {
		return nil
	}
	return c
}

type principalKey struct{}

// WithPrincipal returns a context that tells Middleware, Handler and
// UnaryServerInterceptor who asks. Keys of different principals are different keys,
// so that nobody is given another's answer: set it wherever callers are told apart.
func WithPrincipal(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, principalKey{}, name)
}

// scopeOf names an operation for whoever ctx says asks for it. What would be long
// is hashed.
func scopeOf(ctx context.Context, operation string) string {
	scope := operation
	if who, ok := ctx.Value(principalKey{}).(string); ok && who != "" {
		scope += " for " + who
	}
	const most = 200
	if len(scope) <= most && utf8.ValidString(scope) && !strings.Contains(scope, "\x00") { // what all databases take as text
		return scope
	}
	sum := sha256.Sum256([]byte(scope))
	return hex.EncodeToString(sum[:])
}

// checkKey refuses what is not 1 to 255 visible ASCII characters.
func checkKey(key string) error {
	if len(key) < 1 || len(key) > MaxKey {
		return badKey
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return badKey
		}
	}
	return nil
}

var badKey = problem.New(problem.InvalidArgument, "the idempotency key must be 1 to 255 visible ASCII characters, such as a random UUID").
	WithField("Idempotency-Key", "1 to 255 visible ASCII characters")
