package filter_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// Whatever holds the fields, they behave alike.
func TestFields(t *testing.T) {
	for name, h := range map[string]filter.Fields{"a list": &filter.Header{}, "net/http's": filter.NetHTTP(http.Header{})} {
		t.Run(name, func(t *testing.T) {
			if h.Get("A") != "" || h.Values("A") != nil {
				t.Error("something is in nothing")
			}
			h.Add("X-One", "1")
			h.Add("x-one", "2")
			h.Set("Other", "3")
			if got := h.Get("X-ONE"); got != "1" {
				t.Errorf("first %q", got)
			}
			if got := h.Values("x-One"); !slices.Equal(got, []string{"1", "2"}) {
				t.Errorf("all %q", got)
			}
			h.Set("x-one", "4")
			if got := h.Values("X-One"); !slices.Equal(got, []string{"4"}) {
				t.Errorf("set %q", got)
			}
			n := 0
			h.Each(func(string, string) bool { n++; return false })
			if n != 1 {
				t.Errorf("told %d times to stop", n)
			}
			h.Del("OTHER")
			h.Each(func(name, value string) bool {
				if name != "X-One" && name != "x-one" || value != "4" {
					t.Errorf("left: %s: %s", name, value)
				}
				return true
			})
		})
	}
}

// A value added to net/http's header is not seen by who shares the others.
func TestAddLeavesWhatIsShared(t *testing.T) {
	shared := make([]string, 1, 4)
	shared[0] = "a"
	one, two := filter.NetHTTP{"A": shared}, filter.NetHTTP{"A": shared}
	one.Add("a", "1")
	two.Add("a", "2")
	if one.Values("A")[1] != "1" || two.Values("A")[1] != "2" {
		t.Errorf("%q, %q", one.Values("A"), two.Values("A"))
	}
}
