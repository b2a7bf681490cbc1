package preflight

import (
	"slices"

	"github.com/musterdev/muster/platform/fleet"
)

// filterFindings warns of filters that do not do what their author may think they do.
func filterFindings(f *fleet.Fleet) (found []Finding) {
	named := slices.Clone(f.Edge.Apply)
	for _, r := range f.Routes() {
		named = append(named, r.Options.Filters...)
	}
	asks := f.Edge.TLS != nil && f.Edge.TLS.Clients != nil
	for _, filter := range f.Edge.Filters {
		check, at := "filter "+filter.Name, f.EdgePlace("filters."+filter.Name)
		switch {
		case !slices.Contains(named, filter.Name):
			found = append(found, warn(check, "%v", at.Errorf("no route names it and edge.apply neither, so no request passes it; name it, or remove it")))
		case filter.Kind == "mtls" && !asks:
			found = append(found, warn(check, "%v", at.Errorf("clients are asked for no certificate here, so it refuses all; say edge.tls.clients")))
		}
	}
	return found
}
