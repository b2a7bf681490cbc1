package filter

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/cache"
)

// Spec is one filter as the edge's document has it: its kind, and what that kind is told.
type Spec struct {
	Kind string          `json:"kind"`           // "jwt", "limit", ...
	With json.RawMessage `json:"with,omitempty"` // an object; missing: {}
}

// Env is what a Maker may work with.
type Env struct {
	Name string       // of the filter in the document; in logs and metrics
	Log  *slog.Logger // never nil
	// HTTP calls what is outside of the fleet, such as an issuer of tokens; bounded.
	HTTP *http.Client
	// Service returns a client that calls a service of the fleet by its name; nil: none can be called.
	Service func(name string) *http.Client
	// Callable says why a service cannot be called at an endpoint, discovery.HTTP or GRPC, as
	// far as that is known before it is; nil: nothing is known. See [Env.CheckService].
	Callable func(service, endpoint string) error
	// Metrics gets the filter's metrics, each with a label filter=Name already; nil: none are kept.
	Metrics prometheus.Registerer
	// Bus is the URL of the fleet's broker, "" when there is none: limits are shared by it.
	Bus string
	// Store takes the place of Bus for what gateways share. Its owner closes it; nil: none.
	Store cache.Shared
	// Dir is a folder in which filters keep what must survive a restart; "": none.
	Dir string
	// Check says that the filter is only tried, as muster doctor does: nobody is called, and
	// nothing is written. Files it is told to read are read, as what is wrong with them is a
	// mistake too.
	Check bool
}

// Maker makes a filter of one kind. The error is a *problem.Error, InvalidArgument, whose
// details name the fields of with; ctx ends with the edge, not with the making.
type Maker func(ctx context.Context, env Env, with json.RawMessage) (Filter, error)
