package relay

import (
	"cmp"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/http1"
	"github.com/musterdev/muster/platform/gateway/http1/upstream"
	"github.com/musterdev/muster/platform/gateway/proxy"
)

// Config says what a Relay works with. All but AnswerTimeout is needed.
type Config struct {
	Gateway  *proxy.Gateway
	Caller   *call.Caller // the Gateway's
	Upstream *upstream.Pool
	Edge     *observe.Edge

	// AnswerTimeout is how long an instance may be silent before its answer's header,
	// counted from the last byte of the request. 0 means 30 s.
	AnswerTimeout time.Duration
}

// Relay makes the sessions of an [http1.Engine]. It is safe for concurrent use.
type Relay struct{ cfg Config }

// New returns a Relay.
func New(cfg Config) *Relay {
	cfg.AnswerTimeout = cmp.Or(cfg.AnswerTimeout, 30*time.Second)
	return &Relay{cfg}
}

// Session makes one, for [http1.Config].
func (r *Relay) Session() http1.Session { return newSession(r) }
