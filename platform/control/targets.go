package control

import (
	"strings"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/telemetry/metrics"
)

// targets are the instances whose own metrics are scraped.
func targets(c discovery.Catalog) []metrics.Target {
	var list []metrics.Target
	for service, instances := range c.Services {
		for _, i := range instances {
			path, at := i.Meta[discovery.MetaMetrics], i.Endpoints[discovery.HTTP]
			if strings.HasPrefix(path, "/") && at != "" {
				list = append(list, metrics.Target{URL: "http://" + at + path, Job: service, Instance: i.ID})
			}
		}
	}
	return list
}
