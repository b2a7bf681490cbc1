package discovery

import (
	"maps"
)

// State says whether an instance may be chosen for a call.
type State string

// The states of an instance, in the order it passes through them.
const (
	Starting State = "starting" // registered, not yet ready: never chosen
	Ready    State = "ready"    // may be chosen
	Draining State = "draining" // finishes what it has, is chosen only when nothing else is left
)

// The names of the endpoints an instance can offer.
const (
	HTTP = "http" // HTTP/1.1 and h2c
	GRPC = "grpc" // gRPC over h2c
	TCP  = "tcp"  // a protocol of the service's own, to which connections are passed as they are
)

// Who can hold the lease of an instance.
const (
	HolderSelf       = "self"       // the instance itself
	HolderSupervisor = "supervisor" // whoever started and probes it
)

// Instance is one running copy of a service, as the registry knows it. It is a
// value: copies share Endpoints and Meta, which nobody may change after publishing.
type Instance struct {
	ID        string            `json:"id"`      // unique in the fleet; the value of MUSTER_INSTANCE
	Service   string            `json:"service"` // the service's name
	Version   string            `json:"version,omitempty"`
	Zone      string            `json:"zone,omitempty"`
	Weight    int               `json:"weight,omitempty"` // share of traffic beside its siblings; 0 means 100
	State     State             `json:"state"`
	Endpoints map[string]string `json:"endpoints"`        // endpoint name to host:port
	Holder    string            `json:"holder,omitempty"` // who beats the lease
	Meta      map[string]string `json:"meta,omitempty"`
}

// MetaMetrics is the key of Instance.Meta under which a program says at which path of its
// HTTP endpoint its own metrics are scraped, in Prometheus' format.
const MetaMetrics = "metrics"

// DefaultWeight is the weight of an instance that names none.
const DefaultWeight = 100

// Equal reports whether two instances are the same in every field.
func (in Instance) Equal(other Instance) bool {
	return in.ID == other.ID && in.Service == other.Service && in.Version == other.Version && in.Zone == other.Zone &&
		in.Weight == other.Weight && in.State == other.State && in.Holder == other.Holder &&
		maps.Equal(in.Endpoints, other.Endpoints) && maps.Equal(in.Meta, other.Meta)
}
