package snapshot_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/snapshot"
)

// A thousand routes with conditions, versions and filters are less than 5 MB.
func TestMemory(t *testing.T) {
	doc := doc(t, three)
	for i := range 1000 {
		doc.Routes = append(doc.Routes, route.Route{
			Path: fmt.Sprintf("/v%d/things/%d", i%7, i), Service: fmt.Sprint("s", i%50), Methods: []string{"GET", "POST"}, Filters: []string{"b"},
			Headers: []route.Condition{{Name: "X-Beta", Pattern: "[0-9]+"}}, Versions: []route.Share{{Version: "v1", Weight: 9}, {Version: "v2", Weight: 1}},
		})
	}
	k := &kinds{}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, err := snapshot.Compile(t.Context(), doc, nil, k.config())
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	more := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d routes: %d KB", s.Len(), more>>10)
	if more > 5<<20 {
		t.Errorf("%d routes are %d bytes", s.Len(), more)
	}
	runtime.KeepAlive(s)
}
