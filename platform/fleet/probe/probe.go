// Package probe reads how an instance is asked how it is, the keys "ready" and "live" of
// a service in muster.yaml.
package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/platform/fleet/reading"
	"github.com/musterdev/muster/strictyaml"
)

// Kind is the way a probe asks.
type Kind string

// The kinds of a probe.
const (
	HTTP Kind = "http" // GET Path on PORT: a status of 200 to 399 is a yes
	GRPC Kind = "grpc" // grpc.health.v1.Health/Check on GRPC_PORT
	TCP  Kind = "tcp"  // PORT accepts a connection
	None Kind = "none" // the process runs
)

// Probe asks an instance how it is.
type Probe struct {
	Kind     Kind
	Path     string        // of HTTP
	Interval time.Duration // between two questions
	Timeout  time.Duration // of one question
	Within   time.Duration // Ready only: from start to the first yes
	Failures int           // so many noes in a row are a no

	// Assumed says that the file names no probe. The program may not know one,
	// so 404 is a yes as well.
	Assumed bool
}

// DefaultReady is the readiness of a service that names none.
func DefaultReady() Probe {
	return Probe{
		Kind: HTTP, Path: "/readyz", Interval: time.Second, Timeout: 2 * time.Second,
		Within: 30 * time.Second, Failures: 3, Assumed: true,
	}
}

// DefaultLive is the liveness of a service whose "live" does not say more; one without
// that key is not asked.
func DefaultLive() Probe {
	p := DefaultReady()
	p.Path, p.Within, p.Assumed = "/livez", 0, false
	return p
}

// Read reads a probe over p, which holds the defaults: a check alone, or a mapping with
// it. Only readiness has a bound for the start, within. Mistakes are recorded where they
// stand.
func (p *Probe) Read(n *strictyaml.Node, readiness bool) {
	duration := func(to *time.Duration, high time.Duration) func(*strictyaml.Node) {
		return func(n *strictyaml.Node) {
			if v, ok := n.Duration(50*time.Millisecond, high); ok {
				*to = v
			}
		}
	}
	fields := strictyaml.Fields{
		"check":    p.check,
		"interval": duration(&p.Interval, time.Minute),
		"timeout":  duration(&p.Timeout, time.Minute),
		"failures": func(n *strictyaml.Node) {
			if v, ok := n.Int(1, 100); ok {
				p.Failures = v
			}
		},
	}
	if readiness {
		fields["within"] = duration(&p.Within, time.Hour)
	}
	if n.Kind == strictyaml.Map {
		n.Fields("a probe", fields)
	} else {
		p.check(n)
	}
}

// check reads how a probe asks.
func (p *Probe) check(n *strictyaml.Node) {
	const want = "a path such as \"/readyz\", or grpc, tcp or none"
	v, ok := reading.Text(n, want, func(s string) (string, error) {
		kinds := []string{string(GRPC), string(None), string(TCP)}
		if strings.HasPrefix(s, "/") || slices.Contains(kinds, s) {
			return s, nil
		}
		hint := strictyaml.Suggest(s, kinds)
		if hint == "" {
			hint = "; write " + want
		}
		return "", fmt.Errorf("%q is no check%s", grammar.Short(s), hint)
	})
	if !ok {
		return
	}
	p.Kind, p.Path, p.Assumed = Kind(v), "", false
	if strings.HasPrefix(v, "/") {
		p.Kind = HTTP
		p.Path, _ = reading.Text(n, want, grammar.Path)
	}
}
