package reload

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/snapshot"
)

// badEvery is how often a document is one that must be refused.
const badEvery = 50

// others is how many more routes there are at most.
const others = 50

// document returns the n-th of a series: the routes of base, among others that come and go,
// with weights, filters and limits that differ each time. Nothing of it is to be seen by who
// asks base. bad says that the edge must refuse it.
func document(base snapshot.Document, n int, random *rand.Rand) (doc snapshot.Document, bad bool) {
	doc.Routes = slices.Clone(base.Routes)
	for i := range doc.Routes {
		doc.Routes[i].Filters = slices.Clone(doc.Routes[i].Filters)
	}
	doc.Filters = map[string]filter.Spec{
		"roomy":  {Kind: "limit", With: told(map[string]any{"rate": fmt.Sprintf("%d/s", 900_000+random.IntN(1000)), "by": "client"})},
		"marked": {Kind: "fields", With: told(map[string]any{"answer": map[string]any{"set": map[string]string{"X-Reload": fmt.Sprint(n)}}})},
	}
	for i := range doc.Routes {
		r := &doc.Routes[i]
		if r.Service != Name || r.GRPC {
			continue
		}
		if random.IntN(2) == 0 {
			r.Filters = append(r.Filters, "roomy")
		}
		if random.IntN(2) == 0 {
			r.Filters = append(r.Filters, "marked")
		}
		if weight := random.IntN(100); weight > 0 { // no instance says its version, so each takes part in each
			r.Versions = []route.Share{{Version: "v1", Weight: weight}, {Version: "v2", Weight: 100 - weight}}
		}
	}
	for range random.IntN(others + 1) {
		doc.Routes = append(doc.Routes, route.Route{Path: fmt.Sprintf("/other/%d", random.IntN(1_000_000)), Service: Name})
	}
	doc.Routes = unlike(doc.Routes)
	if n%badEvery != badEvery-1 {
		return doc, false
	}
	switch n / badEvery % 3 {
	case 0:
		doc.Routes = append(doc.Routes, route.Route{Path: "/a//b", Service: Name})
	case 1:
		doc.Filters["roomy"] = filter.Spec{Kind: "limit", With: json.RawMessage(`{"rate":"many"}`)}
	case 2:
		doc.Apply = []string{"nobody"}
	}
	return doc, true
}

// unlike leaves out routes whose path is another's.
func unlike(routes []route.Route) []route.Route {
	seen := map[string]bool{}
	return slices.DeleteFunc(routes, func(r route.Route) bool {
		key := r.Host + " " + r.Path
		was := seen[key]
		seen[key] = true
		return was
	})
}

func told(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil // texts and numbers only: it does not happen
	}
	return b
}
