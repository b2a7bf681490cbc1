package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/strictyaml"
)

// CheckEdge returns what the edge would find wrong with the routes and filters of a fleet,
// where the file says it; nil when nothing is. Nobody is asked anything for that.
func CheckEdge(f *fleet.Fleet) error {
	doc, err := document(f)
	if err != nil {
		return err
	}
	err = gateway.Check(doc, callable(f))
	if err == nil {
		return nil
	}
	var wrong strictyaml.Collector
	routes := f.Routes()
	for _, d := range problem.From(err).Details {
		wrong.Add(placed(f, routes, d.Field).Errorf("%s: %s", within(d.Field), d.Reason))
	}
	if wrong.Len() == 0 {
		return err
	}
	return wrong.Err()
}

// callable says why the edge cannot call a service: none comes that the file does not name, and
// the protocol of one that speaks its own is not HTTP.
func callable(f *fleet.Fleet) func(service, endpoint string) error {
	among := filter.Among(names(f))
	return func(service, endpoint string) error {
		if s, ok := f.Service(service); ok && s.TCP && endpoint == discovery.HTTP {
			return fmt.Errorf("service %s speaks tcp, so that nothing can be asked of it by HTTP; name another one", service)
		}
		return among(service, endpoint)
	}
}

// placed returns where the file says a value of the edge's document.
func placed(f *fleet.Fleet, routes []fleet.Route, field string) fleet.Place {
	rest, ok := strings.CutPrefix(field, "routes[")
	if !ok {
		return f.EdgePlace(field)
	}
	number, path, _ := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(routes) {
		return f.EdgePlace("")
	}
	return routePlace(routes[i], strings.TrimPrefix(path, "."))
}

func routePlace(r fleet.Route, path string) fleet.Place {
	if at := r.Options.Places.Of(path); at != (fleet.Place{}) {
		return at
	}
	return r.Place
}

// within is a field of the document as people know it: without the number of its route.
func within(field string) string {
	if rest, ok := strings.CutPrefix(field, "routes["); ok {
		_, path, _ := strings.Cut(rest, "]")
		return strings.TrimPrefix(strings.TrimSpace("route"+path), "route.")
	}
	return field
}

// document is what the edge of a fleet does with requests. The error says where in the file
// a value is of the wrong kind.
func document(f *fleet.Fleet) (snapshot.Document, error) {
	doc := snapshot.Document{Routes: []route.Route{}, Apply: f.Edge.Apply}
	var wrong strictyaml.Collector
	for _, r := range f.Routes() {
		var out route.Route
		if r.Options.All != "" {
			d := json.NewDecoder(bytes.NewReader([]byte(r.Options.All)))
			d.DisallowUnknownFields()
			if err := d.Decode(&out); err != nil {
				wrong.Add(misread(r, err))
				continue
			}
		}
		out.Host, out.Path, out.GRPC, out.Service = r.Host, r.Path, r.GRPC, r.Service
		for _, v := range r.Versions {
			out.Versions = append(out.Versions, route.Share{Version: v.Version, Weight: v.Weight})
		}
		doc.Routes = append(doc.Routes, out)
	}
	for _, in := range f.Edge.Filters {
		if doc.Filters == nil {
			doc.Filters = map[string]filter.Spec{}
		}
		doc.Filters[in.Name] = filter.Spec{Kind: in.Kind, With: rooted(json.RawMessage(in.With), f.Dir)}
	}
	return doc, wrong.Err()
}

// misread says what of a route's options cannot be read, where it stands.
func misread(r fleet.Route, err error) *strictyaml.Error {
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return routePlace(r, kind.Field).Errorf("%s", filter.Mismatch(kind))
	}
	reason := strings.TrimPrefix(err.Error(), "json: ")
	if key, ok := strings.CutPrefix(reason, "unknown field "); ok {
		key, _ = strconv.Unquote(key)
		for path, at := range r.Options.Places {
			if in, ok := strings.CutSuffix(path, "."+key); ok {
				return at.Errorf("unknown key %q in %s", key, in)
			}
		}
	}
	return routePlace(r, "deprecated").Errorf("%s", fmt.Sprint("the route cannot be read: ", reason))
}
