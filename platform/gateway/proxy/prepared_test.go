package proxy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/valve"
)

// What is prepared is, to the byte, what would be written anew; a path that needs escapes is
// not put in.
func TestPreparedIsWhatIsWritten(t *testing.T) {
	p := prepare(valve.ErrFull)
	for _, path := range []string{"/", "/normal", "/a/b-c_d.e~f/9"} {
		if !plain(path) {
			t.Errorf("%s is plain", path)
		}
		want, body := written(valve.ErrFull, path)
		want = slices.DeleteFunc(want, func(f filter.Field) bool { return f.Name == "Content-Length" })
		order := func(a, b filter.Field) int { return strings.Compare(a.Name, b.Name) }
		slices.SortFunc(want, order)
		fields, got := p.answer(path)
		slices.SortFunc(fields, order)
		if string(got) != string(body) || fmt.Sprint(fields) != fmt.Sprint(want) || len(fields) == 0 {
			t.Errorf("%v %s, not %v %s", fields, got, want, body)
		}
	}
	for _, path := range []string{"", "*", "/a b", `/"`, "/a%20b", "/ä", "/a\\b", "/" + strings.Repeat("x", 5000)} {
		if plain(path) {
			t.Errorf("%.20s is not plain", path)
		}
	}
}
