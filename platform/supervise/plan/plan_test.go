package plan_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/plan"
	"github.com/musterdev/muster/platform/supervise/probe"
)

func load(t *testing.T, text string) *fleet.Fleet {
	t.Helper()
	file := filepath.Join(t.TempDir(), "muster.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Load(file, fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestInstance(t *testing.T) {
	f := load(t, `
fleet: shop
services:
  orders: {run: go run ./cmd/orders --zone here, env: {LOG: debug}, ready: grpc, live: /livez, version: v3, weight: 50, stop_grace: 3s}
`)
	facts := fleet.Instance{ID: "orders-4", Port: 20001, GRPCPort: 20002, RegistryURL: "http://127.0.0.1:8081"}
	c, err := plan.Instance(f, f.Services[0], facts, "/bin/orders", []string{"HOME=/home/x", "LOG=info"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/bin/orders", "--zone", "here"}; !slices.Equal(c.Spec.Argv, want) || c.Spec.Dir != f.Dir {
		t.Errorf("runs %v in %s", c.Spec.Argv, c.Spec.Dir)
	}
	told := map[string]string{}
	for _, v := range c.Spec.Env {
		name, value, _ := strings.Cut(v, "=")
		told[name] = value
	}
	for name, want := range map[string]string{
		"HOME": "/home/x", "LOG": "debug", "PORT": "20001", "GRPC_PORT": "20002",
		"MUSTER_INSTANCE": "orders-4", "MUSTER_STATE_DIR": filepath.Join(f.Dir, ".muster", "state", "orders"),
	} {
		if told[name] != want {
			t.Errorf("%s = %q, want %q", name, told[name], want)
		}
	}
	if c.Ready.Target.Kind != probe.GRPC || c.Ready.Target.Address != "127.0.0.1:20002" {
		t.Errorf("ready: %+v", c.Ready)
	}
	if c.Live.Target.Kind != probe.HTTP || c.Live.Target.Address != "127.0.0.1:20001" || c.Live.Target.Path != "/livez" {
		t.Errorf("live: %+v", c.Live)
	}
	if r := c.Record; r.ID != "orders-4" || r.Version != "v3" || r.Weight != 50 || r.Endpoints["grpc"] != "127.0.0.1:20002" {
		t.Errorf("record: %+v", r)
	}
}

// A service that speaks no HTTP is found at another endpoint, and asked by a connection.
func TestInstanceOfTCP(t *testing.T) {
	f := load(t, "fleet: shop\nservices:\n  db: {run: ./db, speaks: tcp}\n")
	c, err := plan.Instance(f, f.Services[0], fleet.Instance{ID: "db-1", Port: 20001, GRPCPort: 20002}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"tcp": "127.0.0.1:20001", "grpc": "127.0.0.1:20002"}
	if !maps.Equal(c.Record.Endpoints, want) {
		t.Errorf("endpoints: %v", c.Record.Endpoints)
	}
	if q := c.Ready.Target; q.Kind != probe.TCP || q.Address != "127.0.0.1:20001" || q.Path != "" {
		t.Errorf("ready: %+v", q)
	}
}

func TestInstanceSaysWhereAValueIsMissing(t *testing.T) {
	f := load(t, "fleet: shop\nservices:\n  a: {run: ./a, env: {X: \"${services.b.url}\"}}\n  b: {run: ./b}\n")
	_, err := plan.Instance(f, f.Services[0], fleet.Instance{ID: "a-1"}, "", nil)
	if err == nil || !strings.Contains(err.Error(), "muster.yaml:3:") {
		t.Errorf("err = %v", err)
	}
}

func ExampleSummary() {
	fmt.Println(plan.Summary(fleet.Changes{
		Added:   []string{"search"},
		Changed: []fleet.Change{{Service: "orders", Keys: []string{"env", "run"}, Restart: true}},
		Scaled:  []fleet.Scale{{Service: "cart", From: 1, To: 3}},
	}))
	fmt.Println(plan.Summary(fleet.Changes{Fleet: []string{"edge"}}))
	fmt.Println(plan.Summary(fleet.Changes{Fleet: []string{fleet.EdgeTCP}}))
	fmt.Println(plan.Summary(fleet.Changes{}))
	// Output:
	// added search; changed orders (env, run); scaled cart from 1 to 3
	// the settings of edge only after the next start
	// other ports of connections
	// nothing to do
}
