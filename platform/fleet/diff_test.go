package fleet

import (
	"reflect"
	"strings"
	"testing"
)

const diffBase = `
fleet: shop
owners: {web: {}}
services:
  a: {run: ./a, owner: web, route: /a, env: {X: "1"}, replicas: 2}
  b: {run: ./b}
`

func TestDiff(t *testing.T) {
	for _, test := range []struct {
		name     string
		old, new string // replaced in diffBase
		want     Changes
	}{
		{name: "nothing", old: "a", new: "a"},
		{name: "only the layout", old: "services:\n", new: "services:\n\n\n"},
		{name: "added", old: "  b:", new: "  c: {run: ./c}\n  b:", want: Changes{Added: []string{"c"}}},
		{name: "removed", old: "  b: {run: ./b}\n", new: "", want: Changes{Removed: []string{"b"}}},
		{name: "scaled", old: "replicas: 2", new: "replicas: 3", want: Changes{Scaled: []Scale{{"a", 2, 3}}}},
		{name: "command", old: "run: ./a", new: "run: ./a -v", want: Changes{Changed: []Change{{"a", []string{"run"}, true}}}},
		{
			name: "variable and version", old: `{X: "1"}`, new: `{X: "2"}, version: v2`,
			want: Changes{Changed: []Change{{"a", []string{"env", "version"}, true}}},
		},
		{
			name: "route", old: "route: /a", new: "route: [/a, /b]",
			want: Changes{Changed: []Change{{"a", []string{"route"}, false}}, Routes: true},
		},
		{
			name: "weights", old: "route: /a", new: "route: {path: /a, versions: {v1: 100}}",
			want: Changes{Changed: []Change{{"a", []string{"route"}, false}}, Routes: true},
		},
		{
			name: "probe and grace", old: "route: /a", new: "route: /a, ready: tcp, stop_grace: 1s",
			want: Changes{Changed: []Change{{"a", []string{"ready", "stop_grace"}, false}}},
		},
		{
			name: "never watch", old: "route: /a", new: "route: /a, watch: []",
			want: Changes{Changed: []Change{{"a", []string{"watch"}, false}}},
		},
		{
			name: "referred to", old: "{run: ./b}", new: `{run: "./b ${services.a.port}"}`,
			want: Changes{Changed: []Change{{"a", []string{"port"}, true}, {"b", []string{"run"}, true}}},
		},
		{
			name: "told to all", old: "fleet: shop", new: "fleet: shop\nbus: nats://n:1",
			want: Changes{Changed: []Change{{"a", nil, true}, {"b", nil, true}}, Fleet: []string{"bus"}},
		},
		{name: "ports of the edge", old: "fleet: shop", new: "fleet: shop\nedge: {port: 1, local: 2}", want: Changes{Fleet: []string{"edge"}}},
		{name: "connections", old: "fleet: shop", new: "fleet: shop\nedge: {tcp: {5432: a}}", want: Changes{Fleet: []string{EdgeTCP}}},
		{name: "speaks", old: "{run: ./b}", new: "{run: ./b, speaks: tcp}", want: Changes{Changed: []Change{{"b", []string{"ready", "speaks"}, true}}}},
		{
			name: "broker", old: "fleet: shop", new: "fleet: shop\nbroker: {}",
			want: Changes{Fleet: []string{"broker"}},
		},
		{
			name: "engines", old: "fleet: shop", new: "fleet: shop\nedge: {port: 1}\ncontrol: {port: 2}",
			want: Changes{Fleet: []string{"control", "edge"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := fleetOf(t, diffBase, Options{})
			after := fleetOf(t, strings.Replace(diffBase, test.old, test.new, 1), Options{})
			got := Diff(before, after)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if got.Empty() != reflect.DeepEqual(test.want, Changes{}) {
				t.Errorf("Empty says %v", got.Empty())
			}
			back := Diff(after, before)
			if len(back.Added) != len(got.Removed) || len(back.Changed) != len(got.Changed) || back.Routes != got.Routes {
				t.Errorf("the way back is another: %+v", back)
			}
		})
	}
	f := fleetOf(t, diffBase, Options{})
	if got := Diff(nil, f); !reflect.DeepEqual(got.Added, []string{"a", "b"}) || !got.Routes {
		t.Errorf("from nothing: %+v", got)
	}
	if got := Diff(f, nil); !reflect.DeepEqual(got.Removed, []string{"a", "b"}) || !got.Routes {
		t.Errorf("to nothing: %+v", got)
	}
}

// TestDiffKnowsAllFields changes each exported field of a service and of a fleet,
// so that none can be added and forgotten.
func TestDiffKnowsAllFields(t *testing.T) {
	derived := map[string]bool{
		"Name": true, "GoPackage": true, "GoFlags": true, // Service: the identity; follow from Run
		"Services": true, "Dir": true, "Files": true, // Fleet: compared one by one; where it was found
	}
	differs := func(t *testing.T, name string, field reflect.Value, diff func() Changes) {
		if derived[name] {
			return
		}
		old := reflect.New(field.Type()).Elem()
		old.Set(field)
		defer field.Set(old)
		switch field.Kind() {
		case reflect.String:
			field.SetString("other")
		case reflect.Int, reflect.Int64:
			field.SetInt(77)
		case reflect.Bool:
			field.SetBool(!field.Bool())
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 7, 7))
		case reflect.Map:
			m := reflect.MakeMap(field.Type())
			m.SetMapIndex(reflect.ValueOf("other"), reflect.ValueOf("other"))
			field.Set(m)
		case reflect.Struct:
			part := field.Field(0)
			for part.Kind() == reflect.Struct {
				part = part.Field(0)
			}
			if part.CanInt() {
				part.SetInt(77)
			} else {
				part.SetString("other")
			}
		default:
			t.Fatalf("%s: a %s", name, field.Kind())
		}
		if diff().Empty() {
			t.Errorf("a change of %s is not seen", name)
		}
	}
	before, after := fleetOf(t, diffBase, Options{}), fleetOf(t, diffBase, Options{})
	diff := func() Changes { return Diff(before, after) }
	for _, object := range []reflect.Value{reflect.ValueOf(&after.Services[0]).Elem(), reflect.ValueOf(after).Elem()} {
		for i := range object.NumField() {
			if field := object.Type().Field(i); field.IsExported() {
				t.Run(object.Type().Name()+"."+field.Name, func(t *testing.T) { differs(t, field.Name, object.Field(i), diff) })
			}
		}
	}
}
