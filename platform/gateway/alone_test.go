package gateway_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/l4"
)

// An edge without a fleet knows which services there are, and refuses what leads to others: at
// its start, and from who tells it something else.
func TestAloneKnowsItsServices(t *testing.T) {
	instances := map[string][]string{"site": {"127.0.0.1:9"}}
	const good = `{"routes":[{"path":"/","service":"site"},{"path":"/old","redirect":{"prefix":"/new"}}]}`
	config := func(text string) gateway.Config {
		return gateway.Config{Listen: "127.0.0.1:0", Admin: filepath.Join(t.TempDir(), "s"), Instances: instances, Table: table(t, text)}
	}
	e := run(t, config(good))
	for text, want := range map[string]string{
		`{"routes":[{"path":"/","service":"sit"}]}`:                                                     `routes[0].service: there is no service "sit"; did you mean "site"?`,
		`{"routes":[{"path":"/p.S/","grpc":true,"service":"calls"}]}`:                                   `routes[0].service: there is no service "calls"; the services are site`,
		`{"routes":[{"path":"/","service":"site","mirror":{"service":"copies"}}]}`:                      `routes[0].mirror.service: there is no service "copies"`,
		`{"routes":[],"filters":{"a":{"kind":"external","with":{"service":"nobody"}}}}`:                 `filters.a.with.service: there is no service "nobody"`,
		`{"routes":[{"path":"/","redirect":{"prefix":"/"}}]}`:                                           `routes[0].redirect: leads to "/", which is this route's again`,
		`{"routes":[{"path":"/","service":"site","filters":["r"]}],"filters":{"r":{"kind":"require"}}}`: `routes[0].filters[0]: "r" judges who asks, and no filter before it finds that out`,
	} {
		says := func(how string, err error) {
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), `\"`, `"`), want) {
				t.Errorf("%s, %s: %v, want %s", text, how, err, want)
			}
		}
		says("told by the admin API", e.admin.SetDocument(t.Context(), *table(t, text)))
		says("at its start", gateway.Run(t.Context(), config(text)))
	}
	to := func(service string) map[string]l4.Routes {
		return map[string]l4.Routes{"127.0.0.1:0": {Default: l4.Target{Service: service}, Names: map[string]l4.Target{"a.example": {Service: "site"}}}}
	}
	cfg := config(good)
	cfg.TCP = to("db")
	if err := gateway.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), `tcp.127.0.0.1:0.default: there is no service "db"`) {
		t.Errorf("connections: %v", err)
	}
}
