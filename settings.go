package muster

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/musterdev/muster/call/discovery"
)

// Settings is what a service is told by its environment. Several services in one
// process are told apart by a prefix: ORDERS_PORT, ORDERS_GRPC_PORT,
// ORDERS_DATABASE_URL, ORDERS_MUSTER_CONFIG; the variables without it count for all.
type Settings struct {
	Service     string
	Instance    string     // MUSTER_INSTANCE; default NAME-xxxxxx
	Lease       string     // MUSTER_LEASE, which tells this process from others of the same instance; unset: random
	Version     string     // MUSTER_VERSION; default dev
	Zone        string     // MUSTER_ZONE
	Weight      int        // MUSTER_WEIGHT, 1..1000; default 100
	Host        string     // MUSTER_HOST, the address to listen on; default 127.0.0.1
	Port        int        // PORT for HTTP; 0 or unset: any free one
	GRPCPort    int        // GRPC_PORT; 0 or unset: any free one
	DatabaseURL string     // DATABASE_URL: sqlite:FILE, postgres://…
	RegistryURL string     // MUSTER_REGISTRY_URL; unset: not registered, nothing found but siblings
	BusURL      string     // MUSTER_BUS_URL: nats://…; unset: no events
	StateDir    string     // MUSTER_STATE_DIR, for what survives a restart; unset: nothing does
	ConfigFile  string     // MUSTER_CONFIG, the service's own configuration
	OTLP        string     // OTEL_EXPORTER_OTLP_ENDPOINT; unset, or OTEL_SDK_DISABLED is true: no telemetry leaves
	LogLevel    slog.Level // MUSTER_LOG_LEVEL: debug, info, warn, error; default info
}

// environment reads variables and keeps the first error.
type environment struct {
	lookup func(string) (string, bool)
	prefix string // "" for a single service
	err    error
}

func (e *environment) text(name, def string) string {
	if e.prefix != "" {
		if v, ok := e.lookup(e.prefix + name); ok && v != "" {
			return v
		}
	}
	if v, ok := e.lookup(name); ok && v != "" {
		return v
	}
	return def
}

// own is like text but never falls back to a variable that all services share.
func (e *environment) own(name, def string) string {
	name = e.prefix + name
	if v, ok := e.lookup(name); ok && v != "" {
		return v
	}
	return def
}

func (e *environment) number(name, value string, low, high int) int {
	n, err := strconv.Atoi(value)
	if (err != nil || n < low || n > high) && e.err == nil {
		e.err = configErrorf("%s is %q: it must be a whole number from %d to %d", name, value, low, high)
	}
	return n
}

func readSettings(name string, several bool, lookup func(string) (string, bool)) (Settings, error) {
	if !discovery.ValidName(name) {
		return Settings{}, configErrorf("service name %q is not a DNS label: use a-z, 0-9 and -, at most 63, beginning with a letter", name)
	}
	e := &environment{lookup: lookup}
	if several {
		e.prefix = variable(name) + "_"
	}
	s := Settings{
		Service:     name,
		Instance:    e.own("MUSTER_INSTANCE", ""),
		Lease:       e.text("MUSTER_LEASE", ""),
		Version:     e.text("MUSTER_VERSION", "dev"),
		Zone:        e.text("MUSTER_ZONE", ""),
		Weight:      e.number("MUSTER_WEIGHT", e.text("MUSTER_WEIGHT", "100"), 1, 1000),
		Host:        e.text("MUSTER_HOST", "127.0.0.1"),
		Port:        e.number("PORT", e.own("PORT", "0"), 0, 65535),
		GRPCPort:    e.number("GRPC_PORT", e.own("GRPC_PORT", "0"), 0, 65535),
		DatabaseURL: e.text("DATABASE_URL", ""),
		RegistryURL: strings.TrimSuffix(e.text("MUSTER_REGISTRY_URL", ""), "/"),
		BusURL:      e.text("MUSTER_BUS_URL", ""),
		StateDir:    e.text("MUSTER_STATE_DIR", ""),
		ConfigFile:  e.own("MUSTER_CONFIG", ""),
		OTLP:        e.text("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
	}
	if strings.EqualFold(e.text("OTEL_SDK_DISABLED", ""), "true") {
		s.OTLP = ""
	}
	if told := e.own("MUSTER_SERVICE", name); told != name {
		return s, configErrorf("MUSTER_SERVICE is %q but this program is the service %q: run the right program or correct muster.yaml", told, name)
	}
	if s.Instance == "" {
		s.Instance = name + "-" + randomID()
	}
	if err := s.LogLevel.UnmarshalText([]byte(e.text("MUSTER_LOG_LEVEL", "info"))); err != nil && e.err == nil {
		e.err = configErrorf("MUSTER_LOG_LEVEL is %q: it must be debug, info, warn or error", e.text("MUSTER_LOG_LEVEL", ""))
	}
	for variable, value := range map[string]string{"MUSTER_REGISTRY_URL": s.RegistryURL, "OTEL_EXPORTER_OTLP_ENDPOINT": s.OTLP} {
		if u, err := url.Parse(value); value != "" && e.err == nil && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			e.err = configErrorf("%s is %q: it must be a URL such as http://127.0.0.1:8081", variable, value)
		}
	}
	if s.ConfigFile != "" && e.err == nil {
		if _, err := os.Stat(s.ConfigFile); err != nil {
			e.err = configErrorf("MUSTER_CONFIG names %s, which cannot be read: %v", s.ConfigFile, err)
		}
	}
	return s, e.err
}

func randomID() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
