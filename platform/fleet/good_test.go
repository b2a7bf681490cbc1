package fleet

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestGood compares all that is read from correct files, and the routing table.
func TestGood(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	cases(t, "good", func(t *testing.T, c testCase) {
		f, err := c.load()
		if err != nil {
			t.Fatal(err)
		}
		table := []string{}
		for _, r := range f.Routes() {
			table = append(table, r.String()+" "+r.Service)
		}
		c.want(t, strings.ReplaceAll(dump(t, struct {
			*Fleet
			RoutingTable []string
		}{f, table}), here, "/here"))
		checkFleet(t, f)
	})
}

// dump writes v as JSON without what is empty or nothing; an empty list stays.
func dump(t *testing.T, v any) string {
	t.Helper()
	full, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(full, &tree); err != nil {
		t.Fatal(err)
	}
	var prune func(v any) any
	prune = func(v any) any {
		switch v := v.(type) {
		case []any:
			for i := range v {
				v[i] = prune(v[i])
			}
		case map[string]any:
			for key, value := range v {
				switch v[key] = prune(value); value := v[key].(type) {
				case nil:
					delete(v, key)
				case map[string]any:
					if len(value) == 0 {
						delete(v, key)
					}
				case []any:
				default:
					if value == "" || value == 0.0 || value == false {
						delete(v, key)
					}
				}
			}
		}
		return v
	}
	out, err := json.MarshalIndent(prune(tree), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// checkFleet checks what holds for every fleet that Load accepts.
func checkFleet(t testing.TB, f *Fleet) {
	t.Helper()
	if changes := Diff(f, f); !changes.Empty() {
		t.Errorf("a fleet differs from itself: %+v", changes)
	}
	if len(f.Services) == 0 || !slices.IsSortedFunc(f.Services, func(a, b Service) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("services are absent or not sorted: %v", f.Services)
	}
	routes := f.Routes()
	for i, r := range routes {
		if !r.Match(r.Host, r.Path) {
			t.Errorf("route %s does not match itself", r)
		}
		for _, earlier := range routes[:i] {
			if earlier.Match(r.Host, r.Path) && (earlier.Host != "" || r.Host == "") {
				t.Errorf("route %s is hidden by %s", r, earlier)
			}
		}
	}
	peers := map[string]Address{}
	for _, s := range f.Services {
		peers[s.Name] = Address{Host: "127.0.0.1", Port: 7000, GRPCPort: 7001}
	}
	for _, s := range f.Services {
		if len(s.Run) == 0 || s.Ready.Kind == "" || s.Replicas < 0 || s.Replicas > MaxReplicas || s.Place("").Line == 0 {
			t.Errorf("not a whole service: %+v", s)
		}
		in := Instance{ID: s.Name + "-1", Port: 8000, GRPCPort: 8001, RegistryURL: "http://r", BusURL: "nats://b", Peers: peers}
		env, err := f.Environment(s, in)
		if err == nil && (env["PORT"] != "8000" || env["MUSTER_SERVICE"] != s.Name) {
			t.Errorf("environment of %s: %v", s.Name, env)
		}
		words, err := f.Command(s, in, "/bin/program")
		if err == nil && len(words) == 0 {
			t.Errorf("no command for %s", s.Name)
		}
	}
}
