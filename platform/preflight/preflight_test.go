package preflight_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/preflight"
)

func load(t *testing.T, text, environment string) *fleet.Fleet {
	t.Helper()
	file := filepath.Join(t.TempDir(), "muster.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Load(file, fleet.Options{Environment: environment})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const file = `
fleet: f
edge: {port: 0}
control: {port: 0}
broker: {port: 0, http: 0}
services:
  web: {run: no-such-program, database: true, config: web.yaml, on: {orders.placed: POST /events}}
  script: {run: ./missing.sh}
publishes: [orders.placed]
environments:
  production: {database: "postgres://db/${MUSTER_SERVICE}"}
`

func TestExamine(t *testing.T) {
	here, there := load(t, file, ""), load(t, file, "production")
	want := map[string]struct {
		status preflight.Status
		detail string
	}{
		"state folder":             {preflight.OK, ".muster"},
		"port of edge":             {preflight.OK, "any free one"},
		"program no-such-program":  {preflight.Fail, "needed by web: install it"},
		"program ./missing.sh":     {preflight.Fail, "muster.yaml:8:"},
		"service files":            {preflight.Fail, "the configuration file of service web does not exist"},
		"events":                   {preflight.OK, "a broker of the fleet's own"},
		"port of events over HTTP": {preflight.OK, "any free one"},
		"databases":                {preflight.Warn, "web (sqlite here, postgres there)"},
	}
	for _, f := range preflight.Examine(t.Context(), here, nil, there) {
		w, ok := want[f.Check]
		if !ok {
			continue
		}
		if f.Status != w.status || !strings.Contains(f.Detail, w.detail) {
			t.Errorf("%+v, want %s and %q", f, w.status, w.detail)
		}
		delete(want, f.Check)
	}
	if len(want) > 0 {
		t.Errorf("nothing was found about %v", want)
	}
}

func TestBroker(t *testing.T) {
	const services = "services: {web: {run: sh, on: {a.b: POST /events}}}\npublishes: a.b\n"
	for text, want := range map[string]struct {
		runs bool
		said string // when nobody delivers
	}{
		"fleet: f\nservices: {web: {run: sh}}":             {},
		"fleet: f\n" + services:                            {runs: true},
		"fleet: f\nbus: nats://h:4222\n" + services:        {runs: true},
		"fleet: f\nbus: kafka://h:9092\n" + services:       {said: "bus: is a kafka: URL, so that on: of web has no effect"},
		"fleet: f\nservices: {web: {run: sh}}\nbroker: {}": {runs: true},
	} {
		f := load(t, text, "")
		if said := preflight.Undelivered(f); preflight.Broker(f) != want.runs || !strings.Contains(said, want.said) || (said == "") != (want.said == "") {
			t.Errorf("%s\nruns: %v, said %q", text, preflight.Broker(f), said)
		}
	}
}

func TestFiltersWithoutEffect(t *testing.T) {
	const filters = "edge:\n  filters:\n    a: {limit: {rate: 1/s}}\n    b: {mtls: {}}\n    c: {cors: {}}\n"
	const services = "services: {web: {run: sh, route: {path: /, filters: b}}}\n"
	for text, want := range map[string][]string{
		filters + "  apply: a\n":                                                           {"5 filter b clients are asked for no certificate", "6 filter c no route names it"},
		filters + "  apply: [a, c]\n  tls: {local: true}\n":                                {"5 filter b clients are asked for no certificate"},
		filters + "  apply: [a, c]\n  tls: {local: true, clients: {authorities: a.pem}}\n": nil,
		filters + "  apply: [a]\n  tls: {local: true, clients: {authorities: a.pem}}\n  routes: {path: /x, redirect: {path: /y}, filters: c}\n": nil,
	} {
		var found []string
		for _, f := range preflight.Examine(t.Context(), load(t, "fleet: f\n"+text+services, ""), nil, nil) {
			if strings.HasPrefix(f.Check, "filter ") && f.Status == preflight.Warn {
				_, at, _ := strings.Cut(f.Detail, "muster.yaml:")
				line, _, _ := strings.Cut(at, ":")
				_, what, _ := strings.Cut(at, ": ")
				found = append(found, line+" "+f.Check+" "+what)
			}
		}
		ok := len(found) == len(want)
		for i := range min(len(found), len(want)) {
			ok = ok && strings.HasPrefix(found[i], want[i])
		}
		if !ok {
			t.Errorf("%s\nfound %q, want %q", text, found, want)
		}
	}
}

func TestFilesNamesThePlace(t *testing.T) {
	err := preflight.Files(load(t, file, ""))
	if err == nil || !strings.Contains(err.Error(), "muster.yaml:7:") {
		t.Errorf("err = %v", err)
	}
}
