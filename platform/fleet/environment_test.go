package fleet

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fleetOf loads a fleet from text.
func fleetOf(t testing.TB, text string, opts Options) *Fleet {
	t.Helper()
	f, err := load("muster.yaml", opts, func(string) ([]byte, error) { return []byte(text), nil })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// variables returns a lookup of pairs "NAME=value".
func variables(pairs ...string) func(string) (string, bool) {
	m := map[string]string{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		m[name] = value
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func TestBusURL(t *testing.T) {
	f := fleetOf(t, "{fleet: f, bus: 'nats://${USER_OF_NATS}@${services.nats.host}:${services.nats.port}', services: {nats: {run: nats-server}}}",
		Options{Env: variables("USER_OF_NATS=me")})
	if url, err := f.BusURL(map[string]Address{"nats": {Host: "127.0.0.1", Port: 9}}); err != nil || url != "nats://me@127.0.0.1:9" {
		t.Errorf("%q, %v", url, err)
	}
	if _, err := f.BusURL(nil); err == nil || !strings.Contains(err.Error(), "muster.yaml:1:") {
		t.Errorf("without the address: %v", err)
	}
	if url, err := fleetOf(t, "{fleet: f, services: {a: {run: a}}}", Options{}).BusURL(nil); err != nil || url != "" {
		t.Errorf("%q, %v", url, err)
	}
}

func TestEnvironmentTellsWhatIsKnown(t *testing.T) {
	f := fleetOf(t, "{fleet: shop, services: {cart: {run: ./cart}}}", Options{})
	cart, _ := f.Service("cart")
	least, err := f.Environment(cart, Instance{ID: "cart-1"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"MUSTER_SERVICE": "cart", "MUSTER_INSTANCE": "cart-1", "MUSTER_VERSION": "dev", "MUSTER_ZONE": "local",
		"OTEL_SERVICE_NAME":        "cart",
		"OTEL_RESOURCE_ATTRIBUTES": "service.namespace=shop,service.version=dev,service.instance.id=cart-1,deployment.environment.name=development",
	}
	if !maps.Equal(least, want) {
		t.Errorf("the least is %v", least)
	}

	f = fleetOf(t, `
fleet: shop
bus: nats://${BUS_HOST}:4222
telemetry: {endpoint: "http://${services.collector.host}:4318"}
services:
  collector: {run: ./collector}
  cart:
    run: ./cart
    database: true
    config: cart.yaml
    secrets: {KEY: secrets/key}
    version: v1
    zone: a
    weight: 10
    env: {OTEL_SERVICE_NAME: own, ADDRESS: ":${PORT}", ID: "${MUSTER_INSTANCE}@${HOME}", KEY: "${KEY_FILE}", UNSET: "${NO:-}", DB: "${DATABASE_URL}"}
`, Options{Env: variables("BUS_HOST=bus", "HOME=/home/me", "PORT=1", "KEY_FILE=wrong", "MUSTER_INSTANCE=outer")})
	cart, _ = f.Service("cart")
	in := Instance{
		ID: "cart,1", Port: 8000, GRPCPort: 8001, RegistryURL: "http://127.0.0.1:8081", Dir: filepath.FromSlash("/tmp/demo"),
		Peers: map[string]Address{"collector": {Host: "127.0.0.1"}},
	}
	full, err := f.Environment(cart, in)
	if err != nil {
		t.Fatal(err)
	}
	want = map[string]string{
		"PORT": "8000", "GRPC_PORT": "8001", "DATABASE_URL": "sqlite:/tmp/demo/.muster/data/cart.db",
		"MUSTER_SERVICE": "cart", "MUSTER_INSTANCE": "cart,1", "MUSTER_VERSION": "v1", "MUSTER_ZONE": "a", "MUSTER_WEIGHT": "10",
		"MUSTER_REGISTRY_URL": "http://127.0.0.1:8081", "MUSTER_BUS_URL": "nats://bus:4222",
		"MUSTER_CONFIG": filepath.Join(f.Dir, "cart.yaml"), "KEY_FILE": filepath.Join(f.Dir, "secrets/key"),
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SERVICE_NAME": "own",
		"OTEL_RESOURCE_ATTRIBUTES": "service.namespace=shop,service.version=v1,service.instance.id=cart%2C1,deployment.environment.name=development",
		"ADDRESS":                  ":8000", "ID": "cart,1@/home/me", "KEY": filepath.Join(f.Dir, "secrets/key"), "UNSET": "",
		"DB": "sqlite:/tmp/demo/.muster/data/cart.db",
	}
	for _, name := range slices.Sorted(maps.Keys(full)) {
		if full[name] != want[name] {
			t.Errorf("%s is %q, want %q", name, full[name], want[name])
		}
	}
	if len(full) != len(want) {
		t.Errorf("%d variables, want %d", len(full), len(want))
	}

	in.BusURL, in.Telemetry, in.Version, in.Zone, in.Dir = "nats://own", "http://own", "v2", "b", ""
	facts, err := f.Environment(cart, in)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"MUSTER_BUS_URL": "nats://own", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://own", "MUSTER_VERSION": "v2", "MUSTER_ZONE": "b",
		"DATABASE_URL": "sqlite:" + filepath.ToSlash(filepath.Join(f.Dir, ".muster/data/cart.db")),
	} {
		if facts[name] != value {
			t.Errorf("%s is %q, want %q", name, facts[name], value)
		}
	}
}

func TestEnvironmentReferences(t *testing.T) {
	const text = `
fleet: shop
services:
  mailer: {run: ./mailer}
  notify: {run: "./notify --to ${services.mailer.host}:${services.mailer.port} '${services.mailer.url}' ${services.mailer.grpc}", env: {A: "${services.mailer.%s}"}}
`
	for _, test := range []struct {
		attribute string
		peer      Address
		want      string // a value, or the end of an error
	}{
		{"host", Address{Host: "127.0.0.1"}, "127.0.0.1"},
		{"port", Address{Host: "h", Port: 80}, "80"},
		{"url", Address{Host: "::1", Port: 80}, "http://[::1]:80"},
		{"grpc", Address{Host: "h", Port: 80, GRPCPort: 81}, "h:81"},
		{"grpc", Address{Host: "h", Port: 80}, "${services.mailer.grpc} has no value: the service is given no such address here"},
		{"url", Address{}, "${services.mailer.url} has no value: the service is given no such address here"},
	} {
		f := fleetOf(t, strings.Replace(text, "%s", test.attribute, 1), Options{Env: variables()})
		mailer, _ := f.Service("mailer")
		notify, _ := f.Service("notify")
		if !mailer.StablePort || notify.StablePort {
			t.Error("only mailer is referred to")
		}
		env, err := f.Environment(notify, Instance{ID: "n", Peers: map[string]Address{"mailer": test.peer}})
		got := env["A"]
		if err != nil {
			_, got, _ = strings.Cut(err.Error(), ": ")
		}
		if got != test.want {
			t.Errorf("%s of %+v: %q (%v), want %q", test.attribute, test.peer, got, err, test.want)
		}
	}
}

func TestEnvironmentErrorsNameThePlace(t *testing.T) {
	f := fleetOf(t, `fleet: shop
bus: nats://${BUS_HOST}:4222
services:
  a: {run: ./a, env: {TOKEN: "${TOKEN}"}}
  b: {run: "./b ${GRPC_PORT}", database: postgres}
  c: {run: ./c, database: "postgres://${DB}/c"}
`, Options{}) // no Env: Load cannot tell
	for name, want := range map[string]string{
		"a": "muster.yaml:4:30: variable TOKEN is not set; set it, or give a default: ${TOKEN:-…}",
		"b": "muster.yaml:5:42: the URL of b's postgres database is not known; set the variable B_DATABASE_URL, or write the URL here",
		"c": "muster.yaml:6:27: variable DB is not set; set it, or give a default: ${DB:-…}",
	} {
		s, _ := f.Service(name)
		if _, err := f.Environment(s, Instance{ID: "x", BusURL: "nats://x"}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		const bus = "muster.yaml:2:6: variable BUS_HOST is not set; set it, or give a default: ${BUS_HOST:-…}"
		if _, err := f.Environment(s, Instance{ID: "x"}); err == nil || err.Error() != bus {
			t.Errorf("%s: %v, want %s", name, err, bus)
		}
	}
	b, _ := f.Service("b")
	b.Database = Database{}
	const want = "muster.yaml:5:12: variable GRPC_PORT is not set; set it, or give a default: ${GRPC_PORT:-…}"
	if _, err := f.Command(b, Instance{ID: "x", BusURL: "nats://x"}, ""); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestDatabaseURL(t *testing.T) {
	const text = `
fleet: shop
services:
  cart: {run: ./cart, database: true}
  user-data: {run: ./users, database: true}
  own: {run: ./own, database: "sqlite:own.db"}
environments:
  pg: {database: postgres}
  one: {database: "postgres://${DB_USER}@db/${MUSTER_SERVICE}"}
`
	env := variables("CART_DATABASE_URL=postgres://cart", "USER_DATA_DATABASE_URL=postgres://users", "DB_USER=me", "DATABASE_URL=wrong")
	for _, test := range []struct{ environment, service, want string }{
		{"", "cart", "sqlite:/d/.muster/data/cart.db"},
		{"pg", "cart", "postgres://cart"},
		{"pg", "user-data", "postgres://users"},
		{"pg", "own", "sqlite:own.db"},
		{"one", "cart", "postgres://me@db/cart"},
		{"one", "own", "sqlite:own.db"},
	} {
		f := fleetOf(t, text, Options{Environment: test.environment, Env: env})
		s, _ := f.Service(test.service)
		got, err := f.Environment(s, Instance{ID: "x", Dir: filepath.FromSlash("/d")})
		if err != nil || got["DATABASE_URL"] != test.want {
			t.Errorf("%s in %q: %q, %v; want %q", test.service, test.environment, got["DATABASE_URL"], err, test.want)
		}
	}
}

func TestCommand(t *testing.T) {
	for _, test := range []struct{ run, want string }{
		{"./a --port ${PORT}", "./a|--port|8000"},
		{"./a '${PORT}' \\${PORT} \"x ${PORT}\" ${NONE:-a b}", "./a|${PORT}|${PORT}|x 8000|a b"},
		{"go run ./cmd/a", "/bin/a"},
		{"go run -race -tags x ./cmd/a serve --port=${PORT}", "/bin/a|serve|--port=8000"},
		{"go run a.go b.go", "go|run|a.go|b.go"},
		{"[./a, \"${PORT} x\", \"$$5\", 7]", "./a|8000 x|$5|7"},
	} {
		f := fleetOf(t, "fleet: f\nservices:\n  a:\n    run: "+test.run, Options{})
		words, err := f.Command(f.Services[0], Instance{ID: "a-1", Port: 8000}, "/bin/a")
		if got := strings.Join(words, "|"); err != nil || got != test.want {
			t.Errorf("%s: %q, %v; want %q", test.run, got, err, test.want)
		}
	}
}

func TestPlace(t *testing.T) {
	f := fleetOf(t, "fleet: f\nservices:\n  a:\n    run: ./a\n    env:\n      X: y\n", Options{})
	s := f.Services[0]
	for key, want := range map[string]string{
		"run": "muster.yaml:4:10", "env.X": "muster.yaml:6:10", "route": "muster.yaml:3:3", "": "muster.yaml:3:3",
	} {
		if got := s.Place(key).String(); got != want {
			t.Errorf("place of %q: %s, want %s", key, got, want)
		}
	}
	if err := s.Place("run").Errorf("no program %q", "./a"); err.Error() != `muster.yaml:4:10: no program "./a"` {
		t.Error(err)
	}
	if _, ok := f.Service("b"); ok {
		t.Error("there is no service b")
	}
}
