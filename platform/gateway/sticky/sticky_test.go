package sticky_test

import (
	"fmt"
	"testing"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/sticky"
)

func ExampleTokens() {
	var edge, another sticky.Tokens
	cookie := edge.Of("catalog-2")
	id, _ := another.Find(cookie, []discovery.Instance{{ID: "catalog-1"}, {ID: "catalog-2"}}, &route.Target{})
	fmt.Println(len(cookie), id)
	// Output: 16 catalog-2
}

func TestFind(t *testing.T) {
	var k sticky.Tokens
	list := []discovery.Instance{{ID: "a", Version: "v1"}, {ID: "b", Version: "v2"}, {ID: "c", Version: "v3"}}
	weighed := &route.Target{Route: route.Route{Versions: []route.Share{{Version: "v1", Weight: 100}, {Version: "v2", Weight: 0}}}}
	for name, c := range map[string]struct {
		token       string
		target      *route.Target
		id, version string
	}{
		"there":                {k.Of("b"), &route.Target{}, "b", ""},
		"gone":                 {k.Of("d"), &route.Target{}, "", ""},
		"no token":             {"b", &route.Target{}, "", ""},
		"its version is taken": {k.Of("a"), weighed, "a", "v1"},
		"of a version of 0":    {k.Of("b"), weighed, "", ""},
		"of none any more":     {k.Of("c"), weighed, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if id, version := k.Find(c.token, list, c.target); id != c.id || version != c.version {
				t.Errorf("%q %q, want %q %q", id, version, c.id, c.version)
			}
		})
	}
}

// Tokens of instances that come and go are forgotten, and are the same when they are made again.
func TestTokensAreBounded(t *testing.T) {
	var k sticky.Tokens
	first := k.Of("0")
	for i := range 30_000 {
		k.Of(fmt.Sprint(i))
	}
	if k.Of("0") != first {
		t.Error("another token for the same instance")
	}
}
