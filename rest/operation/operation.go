// Package operation answers requests whose work takes longer than a request should: the
// answer is 202 Accepted at once, with the address of a status resource, which says how
// the work fares and what came of it.
//
// It keeps nothing itself: a [Source] tells the status from where the work is recorded
// anyway, such as a saga's row (package rest/operation/sagas).
//
//	ops, err := operation.New(operation.Config{Path: "/v1/operations", Source: source})
//	ops.Register(api)
//	rest.Post(api, "/v1/reports", func(ctx context.Context, in NewReport) (operation.Accepted, error) {
//		id, err := start(ctx, in)
//		return ops.Accepted(id), err
//	}, rest.Status(http.StatusAccepted))
//
// A status that has ended is answered with 200 like any other, and names its result's
// address. It is no redirect to the result (303), which RFC 9110, section 15.3.3, leaves
// open: clients follow redirects unseen, and of work that failed there is nothing to be
// sent to.
package operation

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest"
)

// State is where an operation stands.
type State string

// The states. All but Running are final.
const (
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Canceled  State = "canceled" // because somebody asked for that; it had no effect, or it was taken back
)

// Status is how an operation fares, and the body of its status resource.
type Status struct {
	ID        string    `json:"id"`
	State     State     `json:"state" enum:"running,succeeded,failed,canceled"`
	Percent   *int      `json:"percent,omitempty" min:"0" max:"100" doc:"How much is done, where that is known."`
	Canceling bool      `json:"canceling,omitempty" doc:"What was done is being taken back."`
	Result    string    `json:"result,omitempty" doc:"Where to get what came of it."`
	Error     *Failure  `json:"error,omitempty" doc:"Why it failed."`
	Created   time.Time `json:"created,omitzero"`
	Updated   time.Time `json:"updated,omitzero"`
	Expires   time.Time `json:"expires,omitzero" doc:"From when on nothing is known of it any more."`
}

// Failure says why an operation failed, with a problem's words.
type Failure struct {
	Code   problem.Code `json:"code"`
	Detail string       `json:"detail"`
}

// ended reports whether the status will not change any more.
func (s Status) ended() bool { return s.State != Running }

// tag is the version of a status.
func (s Status) tag() string {
	text, _ := json.Marshal(s) //nolint:errchkjson // texts, numbers and times
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Source tells how operations fare. An error is a problem's: not_found, or gone, for one
// that is not known (any more).
type Source interface {
	Find(ctx context.Context, id string) (Status, error)
}

// Canceler is a Source whose operations can be told to end. It returns nil when the
// operation is canceled, is being canceled, or was before; failed_precondition when it is too
// late.
type Canceler interface {
	Cancel(ctx context.Context, id string) error
}

// Func is a Source that is one function.
type Func func(ctx context.Context, id string) (Status, error)

// Find calls the function.
func (f Func) Find(ctx context.Context, id string) (Status, error) { return f(ctx, id) }

// Config says where the status resources are and what they tell.
type Config struct {
	Path       string        // below which they are: "/v1/operations"
	Source     Source        // where it is a Canceler too, POST {path}/{id}/cancel is offered
	RetryAfter time.Duration // when clients are told to ask again, in whole seconds; 0: 1 s
	MaxWait    time.Duration // the longest that a client may have its answer wait; 0: 30 s
	Look       time.Duration // how often the source is asked meanwhile; 0: 250 ms
}

// Operations are the status resources of an API. Its methods are safe for concurrent use.
type Operations struct {
	c        Config
	canceler Canceler // nil: none

	mu   sync.Mutex
	bell chan struct{} // closed when something ended, and made anew

	leaving chan struct{} // closed by Run
	leave   func()
}

// New returns the operations that c describes, or what is wrong with it.
func New(c Config) (*Operations, error) {
	if !strings.HasPrefix(c.Path, "/") || strings.ContainsAny(c.Path, "{}") || strings.HasSuffix(c.Path, "/") {
		return nil, errors.New("operation: Config.Path must begin with / and neither end with it nor have wildcards: such as /v1/operations")
	}
	if c.Source == nil {
		return nil, errors.New("operation: Config.Source is nil: who knows how operations fare?")
	}
	const wait, look = 30 * time.Second, 250 * time.Millisecond
	c.RetryAfter, c.MaxWait, c.Look = max(cmp.Or(c.RetryAfter, time.Second), time.Second), cmp.Or(c.MaxWait, wait), cmp.Or(c.Look, look)
	o := &Operations{c: c, bell: make(chan struct{}), leaving: make(chan struct{})}
	o.leave = sync.OnceFunc(func() { close(o.leaving) })
	o.canceler, _ = c.Source.(Canceler)
	return o, nil
}

// Accepted is the answer to a request whose work has begun: 202 with the address of its
// status resource. Give the operation rest.Status(http.StatusAccepted).
type Accepted struct {
	Location   string `header:"Location" json:"-" doc:"The status resource."`
	RetryAfter string `header:"Retry-After" json:"-" doc:"When to ask there, in seconds."`

	ID    string `json:"id"`
	State State  `json:"state" enum:"running"`
}

// Accepted makes the answer for an operation that has begun. It is made of the id alone:
// behind an idempotency key record the id, and make the answer of what was recorded.
func (o *Operations) Accepted(id string) Accepted {
	return Accepted{Location: o.Location(id), RetryAfter: o.retry(), ID: id, State: Running}
}

// Wake tells who waits here that an operation has ended or moved on, so that nobody waits
// for the next look: from saga.Saga.Ended, for example.
func (o *Operations) Wake() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.bell)
	o.bell = make(chan struct{})
}

// Run returns nil when ctx ends, and from then on nobody waits here: who does is answered at once with what is known, and
// asks another replica. With app.Go("operations", ops.Run) a service that is to end need not cut them off.
func (o *Operations) Run(ctx context.Context) error {
	<-ctx.Done()
	o.leave()
	return nil
}

func (o *Operations) rung() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bell
}

// Register adds the status resource to an API, GET {path}/{id}, and POST {path}/{id}/cancel
// where the source is a [Canceler].
func (o *Operations) Register(api *rest.API, opts ...rest.Option) {
	own := []rest.Option{
		rest.ID("getOperation"), rest.Through(folded), rest.Errors(problem.NotFound, problem.Gone),
		rest.Doc("How an operation fares", "With Prefer: wait=SECONDS the answer waits until it has ended, or, beside If-None-Match, changed."),
	}
	rest.Get(api, o.c.Path+"/{id}", o.get, append(own, opts...)...)
	if o.canceler == nil {
		return
	}
	own = []rest.Option{
		rest.ID("cancelOperation"), rest.Status(http.StatusAccepted), rest.Errors(problem.NotFound, problem.Gone, problem.FailedPrecondition),
		rest.Doc("Cancel an operation", "May be repeated. What was done is taken back, which its status tells."),
	}
	rest.Post(api, o.c.Path+"/{id}/cancel", o.cancel, append(own, opts...)...)
}
