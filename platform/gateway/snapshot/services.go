package snapshot

import (
	"fmt"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// checkServices finds routes to services that cannot be called, where callable knows it.
func checkServices(wrong *problem.Error, doc Document, callable func(service, endpoint string) error) {
	if callable == nil {
		return
	}
	check := func(field, service, endpoint string) {
		if !discovery.ValidName(service) || len(wrong.Details) >= maxFindings {
			return // said already
		}
		if err := callable(service, endpoint); err != nil {
			wrong.Details = append(wrong.Details, problem.Detail{Field: field, Reason: err.Error()})
		}
	}
	for i, r := range doc.Routes {
		endpoint := discovery.HTTP
		if r.GRPC {
			endpoint = discovery.GRPC
		}
		check(fmt.Sprintf("routes[%d].service", i), r.Service, endpoint)
		if r.Mirror != nil {
			check(fmt.Sprintf("routes[%d].mirror.service", i), r.Mirror.Service, discovery.HTTP)
		}
	}
}
