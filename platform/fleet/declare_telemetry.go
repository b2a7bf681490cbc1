package fleet

import (
	"time"

	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/platform/fleet/reading"
	"github.com/musterdev/muster/strictyaml"
)

// The bounds of how long telemetry is kept.
const (
	minRetention = time.Minute
	maxRetention = 10 * 366 * 24 * time.Hour
)

// OtherServices stands in Telemetry.Retention for the services that are not named there.
const OtherServices = "*"

// declareTelemetry reads where telemetry goes and how long it is kept.
func (l *loader) declareTelemetry(n *strictyaml.Node, set func(func(*Fleet))) {
	url := grammar.URL("http", "https")
	n.Fields("telemetry", strictyaml.Fields{
		"endpoint": func(n *strictyaml.Node) {
			if v, ok := reading.Text(n, "a URL", url); ok && l.references(n, v) {
				set(func(t *Fleet) { t.places["telemetry"] = n.Place; t.Telemetry.Endpoint = v })
			}
		},
		"export": func(n *strictyaml.Node) {
			if v, ok := reading.Text(n, "a URL", url); ok {
				set(func(t *Fleet) { t.Telemetry.Export = v })
			}
		},
		"retention": func(n *strictyaml.Node) {
			if kept, ok := readRetention(n); ok {
				set(func(t *Fleet) { t.Telemetry.Retention = kept })
			}
		},
	})
}

// readRetention reads one duration for all services, or one for each.
func readRetention(n *strictyaml.Node) (map[string]time.Duration, bool) {
	if n.Kind != strictyaml.Map {
		v, ok := n.Duration(minRetention, maxRetention)
		return map[string]time.Duration{OtherServices: v}, ok
	}
	kept, all := map[string]time.Duration{}, true
	for _, p := range n.Each("services to how long their traces and logs are kept") {
		named := p.Name == OtherServices || reading.Key(p, grammar.Label)
		v, ok := p.Value.Duration(minRetention, maxRetention)
		kept[p.Name], all = v, all && ok && named
	}
	return kept, all
}
