package filter

import (
	"crypto/tls"
	"net/netip"
	"time"
)

// Request is the head of a request at the edge. Its texts may be views of the memory the
// request was read into: who keeps one beyond the request clones it.
type Request struct {
	ID     string // the request's id
	Method string
	Host   string // canonical: lower case, without a port
	Path   string // canonical, decoded
	Query  string // as it came, without "?"; what a filter changes goes to the service so
	Route  string // the route's name in logs and metrics
	RPC    bool   // a gRPC call

	Client netip.Addr           // who sent it, as far as the edge believes
	TLS    *tls.ConnectionState // nil: no TLS
	Length int64                // of the body; -1: not known beforehand
	Began  time.Time            // when the edge had its head
	// MaxBody bounds the body, in bytes; 0: no bound. A filter may lower it. The engine
	// answers 413 to a larger one, at once where Length tells.
	MaxBody int64
	// LeastRate is how slowly the body may come, in bytes a second on average; 0: as the edge
	// has it for all requests; negative: as slowly as it likes. The engine answers 408.
	LeastRate int64

	Fields Fields // of the request, without those of the connection
	Reply  Header // of the answer, added to those of the service; what is set here wins

	Subject Subject // who asks; the zero value: nobody said
}

// Subject is who asks, as a filter found out. The service is told by the fields that the
// edge sets, see [Request.Identify].
type Subject struct {
	ID     string   // of a user, a key or a program; "" when nobody said
	By     string   // how it was found out: "jwt", "key", "mtls", "external"
	Issuer string   // who answers for it; "" the edge itself
	Scopes []string // what it may do
	Claims Claims   // nil: none
}

// Claims looks up what an issuer says of a subject, as text; "" when it says nothing of
// that name, or no text, number or truth.
type Claims interface {
	Claim(name string) string
}

// Fields are the header fields of a message. Names are compared without regard to case. Not
// for concurrent use.
type Fields interface {
	// Get returns the first value of a field, "" when there is none.
	Get(name string) string
	// Values returns all values of a field, in their order.
	Values(name string) []string
	// Set puts one value in the place of all.
	Set(name, value string)
	// Add adds a value.
	Add(name, value string)
	// Del deletes a field.
	Del(name string)
	// Each calls f with each field line, until it returns false. f does not change the fields.
	Each(f func(name, value string) bool)
}
