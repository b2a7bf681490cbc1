package fleet

import (
	"strings"
	"time"

	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/platform/fleet/probe"
)

// Service is one service of the fleet, as the chosen environment wants it.
type Service struct {
	Name  string
	Owner string // name of an Owner; may be empty
	Dir   string // where build and run are started; absolute

	Build []string // command that makes the program, as words; empty: none. Holds no templates.
	Run   []string // command of the program, as words that may hold templates; see Fleet.Command

	// GoPackage is the package when Run is `go run [flags] package [arguments]`
	// with a package of the service's own module; else empty. Such a service is
	// built first, `go build GoFlags -o FILE GoPackage` in Dir, and the result is
	// executed, so that no grandchild can escape the supervisor.
	GoPackage string
	GoFlags   []string // build flags that stood between `go run` and the package

	Replicas int // 0 to MaxReplicas
	Database Database
	Routes   []Route // sorted like those of Fleet.Routes

	Publishes []string       // topics, sorted
	On        []Subscription // events delivered over HTTP, sorted by topic

	Env     map[string]string // the program's own variables; values may hold templates
	Secrets map[string]string // NAME to an absolute file; the program is told NAME_FILE
	Config  string            // the service's own configuration file, absolute; may be empty

	Version  string // MUSTER_VERSION
	Zone     string // MUSTER_ZONE
	Weight   int    // share of traffic of one instance beside its siblings, 1 to 1000
	Port     int    // fixed PORT of a program that cannot choose; 0: given by the supervisor
	GRPCPort int    // the same for GRPC_PORT

	// TCP says that a protocol of the service's own is spoken at PORT, not HTTP. Then
	// callers find it at its endpoint "tcp", and it is ready when it accepts connections,
	// unless the file says otherwise.
	TCP bool

	Ready Probe // asked from the start on; Kind is never empty
	Live  Probe // asked once ready; Kind "" means none

	Calls policy.Service // how others call it

	Metrics string // path at which its own metrics are scraped, in Prometheus' format; "": not

	// Watch are globs below Dir ("**" crosses folders) whose change reloads the
	// service. nil: what its program is made from; empty: never.
	Watch     []string
	StopGrace time.Duration // from SIGTERM to SIGKILL

	// StablePort says that another service's templates refer to this one by
	// address, so that its first instance must keep its ports over restarts.
	StablePort bool

	places map[string]Place // of the keys, as Place takes them
}

// Place returns where the file says a key of the service, such as "run", "route"
// or "env.MAIL_HOST". For a key that the file does not name, and for "", it is
// where the service itself begins.
func (s Service) Place(key string) Place {
	if p, ok := s.places[key]; ok {
		return p
	}
	return s.places[""]
}

// The engines a database URL may name.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
	MySQL    = "mysql"
)

// URLVariable returns the name of the process variable that holds the URL of a
// database of which muster.yaml says only the engine, such as ORDERS_DATABASE_URL.
func (s Service) URLVariable() string {
	return strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_")) + "_DATABASE_URL"
}

// Database is what a service keeps its data in.
type Database struct {
	Engine string // SQLite, Postgres or MySQL; empty: the service has no database
	// URL may hold templates. Empty: the file that Muster gives each service for
	// SQLite; for the others the variable SERVICE_DATABASE_URL says it.
	URL string
}

// Subscription asks for the events of a topic to be posted to the service.
type Subscription struct {
	Topic string // "orders.placed"; a part may be "*"
	Path  string // where they are posted, "/events"
}

// Probe asks an instance how it is.
type Probe = probe.Probe

// ProbeKind is the way a probe asks.
type ProbeKind = probe.Kind

// The kinds of a probe.
const (
	ProbeHTTP = probe.HTTP // GET Path on PORT: a status of 200 to 399 is a yes
	ProbeGRPC = probe.GRPC // grpc.health.v1.Health/Check on GRPC_PORT
	ProbeTCP  = probe.TCP  // PORT accepts a connection
	ProbeNone = probe.None // the process runs
)
