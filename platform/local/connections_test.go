package local

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/gateway/l4"
)

// Connections go to the endpoint that a service has, and are silent for as long as the
// file says.
func TestConnections(t *testing.T) {
	file := filepath.Join(t.TempDir(), "muster.yaml")
	text := `
fleet: f
edge:
  tcp:
    5432: db
    8443: {sni: {a.example: web, "*.b.example": web.grpc}, idle: 1500ms}
services:
  db: {run: ./db, speaks: tcp}
  web: {run: ./web}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Load(file, fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, want := connections(f), map[string]l4.Routes{
		"127.0.0.1:5432": {Default: l4.Target{Service: "db", Endpoint: "tcp"}},
		"127.0.0.1:8443": {IdleSeconds: 2, Names: map[string]l4.Target{
			"a.example": {Service: "web", Endpoint: "http"}, "*.b.example": {Service: "web", Endpoint: "grpc"},
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if err := l4.Validate(got); err != nil {
		t.Error(err)
	}
}
