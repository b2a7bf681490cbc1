package snapshot

import (
	"fmt"
	"slices"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

// checkOrder finds filters that judge who asks before any has found that out: they would
// refuse every request of the route. All of doc's filters were made.
func (s *Snapshot) checkOrder(wrong *problem.Error) {
	seen := map[string]bool{}
	for i, r := range s.doc.Routes {
		known := false
		for k, name := range slices.Concat(s.doc.Apply, r.Filters) {
			if f, ok := s.held[name].filter.(filter.Introducer); ok && f.Introduces() {
				known = true
			}
			if _, judges := s.held[name].filter.(filter.Judge); !judges || known {
				continue
			}
			field := fmt.Sprintf("apply[%d]", k)
			if k >= len(s.doc.Apply) {
				field = fmt.Sprintf("routes[%d].filters[%d]", i, k-len(s.doc.Apply))
			}
			if !seen[field] && len(wrong.Details) < maxFindings {
				seen[field] = true
				wrong.Details = append(wrong.Details, problem.Detail{Field: field, Reason: fmt.Sprintf(
					"%.80q judges who asks, and no filter before it finds that out, so that all would be refused; name one before it, such as jwt", name)})
			}
		}
	}
}
