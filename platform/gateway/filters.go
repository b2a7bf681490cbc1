package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/addresses"
	"github.com/musterdev/muster/platform/gateway/filter/apikey"
	"github.com/musterdev/muster/platform/gateway/filter/compress"
	"github.com/musterdev/muster/platform/gateway/filter/cors"
	"github.com/musterdev/muster/platform/gateway/filter/external"
	"github.com/musterdev/muster/platform/gateway/filter/fields"
	"github.com/musterdev/muster/platform/gateway/filter/jwt"
	"github.com/musterdev/muster/platform/gateway/filter/limit"
	"github.com/musterdev/muster/platform/gateway/filter/mtls"
	"github.com/musterdev/muster/platform/gateway/filter/openapi"
	"github.com/musterdev/muster/platform/gateway/filter/quota"
	"github.com/musterdev/muster/platform/gateway/filter/require"
	"github.com/musterdev/muster/platform/gateway/filter/size"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/problem"
)

// Makers returns the makers of the filters that the edge has, by kind. The kind
// "middleware" comes beside them, where [Config.Middleware] has any.
func Makers() map[string]filter.Maker {
	return map[string]filter.Maker{
		"addresses": addresses.Make,
		"apikey":    apikey.Make,
		"compress":  compress.Make,
		"cors":      cors.Make,
		"external":  external.Make,
		"fields":    fields.Make,
		"jwt":       jwt.Make,
		"limit":     limit.Make,
		"mtls":      mtls.Make,
		"openapi":   openapi.Make,
		"quota":     quota.Make,
		"require":   require.Make,
		"size":      size.Make,
	}
}

// Check returns what is wrong with a document, as an edge would that was told to use it, by
// its fields: a *problem.Error; nil when nothing is. Nobody is called, nothing is begun.
// callable is that of [filter.Env]; nil: any service may be there.
func Check(doc snapshot.Document, callable func(service, endpoint string) error) error {
	s, err := snapshot.Compile(context.Background(), doc, nil, snapshot.Config{
		Makers: Makers(), Env: filter.Env{Check: true, HTTP: &http.Client{Timeout: filterTimeout}, Callable: callable},
	})
	if err != nil {
		return err
	}
	_ = s.Retire(nil) // what was tried is nobody's
	return nil
}

// userMakers returns the maker of filters by a program's own middlewares.
func userMakers(middleware map[string]func(http.Handler) http.Handler) map[string]filter.Maker {
	if len(middleware) == 0 {
		return nil
	}
	return map[string]filter.Maker{"middleware": func(_ context.Context, _ filter.Env, with json.RawMessage) (filter.Filter, error) {
		var spec struct {
			Name string `json:"name"`
		}
		if err := filter.Decode(with, &spec); err != nil {
			return nil, err
		}
		wrap := middleware[spec.Name]
		if wrap == nil {
			return nil, problem.New(problem.InvalidArgument, "there is no such middleware").
				WithField("name", fmt.Sprintf("%.80q is none of this edge's: they are %q", spec.Name, slices.Sorted(maps.Keys(middleware))))
		}
		return wrapper{wrap}, nil
	}}
}

// wrapper is a program's own middleware as a filter.
type wrapper struct {
	wrap func(http.Handler) http.Handler
}

var _ filter.Middleware = wrapper{}

// Request lets all in: the middleware sees them as net/http's requests.
func (wrapper) Request(context.Context, *filter.Request) error { return nil }

// Wrap implements filter.Middleware.
func (w wrapper) Wrap(next http.Handler) http.Handler { return w.wrap(next) }
