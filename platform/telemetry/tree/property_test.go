package tree_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// anySpan draws ids of few values, so that rings, duplicates and missing parents are
// frequent, and times that are odd.
func anySpan(t *rapid.T) signal.Span {
	var s signal.Span
	s.ID[0], s.Parent[0] = rapid.ByteMax(12).Draw(t, "id"), rapid.ByteMax(13).Draw(t, "parent")
	s.Service = rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "service")
	s.Kind = signal.Kind(rapid.ByteMax(6).Draw(t, "kind"))
	s.Status = signal.Status(rapid.ByteMax(2).Draw(t, "status"))
	s.Start = rapid.OneOf(rapid.Int64Range(0, 60e6), rapid.Int64()).Draw(t, "start")
	s.Duration = rapid.OneOf(rapid.Int64Range(0, 60e6), rapid.Int64()).Draw(t, "duration")
	return s
}

// holds checks what is true of every tree.
func holds(t interface{ Errorf(string, ...any) }, spans []signal.Span, b *tree.Tree) {
	type key struct {
		id      signal.SpanID
		service string
	}
	distinct, unnamed := map[key]bool{}, 0
	for _, s := range spans {
		if s.ID.IsZero() {
			unnamed++
			continue
		}
		distinct[key{s.ID, s.Service}] = true
	}
	if len(b.Nodes) != len(distinct)+unnamed {
		t.Errorf("%d nodes of %d spans, %d of them distinct", len(b.Nodes), len(spans), len(distinct)+unnamed)
	}
	at := map[*tree.Node]int{}
	skewed, roots := false, 0
	for i, n := range b.Nodes {
		at[n] = i
		skewed = skewed || n.Moved != 0
		if n.Above == nil {
			roots++
			if n.Depth != 0 || n.Moved != 0 || n.Missing == n.Parent.IsZero() {
				t.Errorf("root %+v", n)
			}
		} else if p, ok := at[n.Above]; !ok || n.Depth != b.Nodes[p].Depth+1 || !slices.Contains(n.Above.Children, n) {
			t.Errorf("%v is not below its parent", n.Span)
		}
		if n.Own < 0 || n.Own > n.Duration || n.Duration < 0 || n.End() < n.Start {
			t.Errorf("own %d, duration %d, %d-%d", n.Own, n.Duration, n.Start, n.End())
		}
		if !slices.IsSortedFunc(n.Children, func(a, b *tree.Node) int { return int(min(1, max(-1, a.Start-b.Start))) }) {
			t.Errorf("the children of %v are not sorted", n.Span)
		}
	}
	if roots != len(b.Roots) || skewed != b.Skewed {
		t.Errorf("%d roots, said %d; skewed %v, said %v", roots, len(b.Roots), skewed, b.Skewed)
	}
	root := b.Root()
	if root == nil {
		return
	}
	end := root.Start
	for i, p := range b.Critical {
		if p.From != end || p.Until <= p.From || p.From < p.Node.Start || p.Until > p.Node.End() {
			t.Errorf("piece %d of %+v, after %d", i, p, end)
		}
		end = p.Until
	}
	if end != root.End() {
		t.Errorf("the path ends at %d, the root at %d", end, root.End())
	}
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spans := rapid.SliceOfN(rapid.Custom(anySpan), 0, 20).Draw(t, "spans")
		given := slices.Clone(spans)
		b := tree.Build(spans)
		holds(t, spans, b)
		if !reflect.DeepEqual(spans, given) {
			t.Errorf("what was given has changed")
		}
		// the order does not count, but where duplicates differ
		seen := map[signal.SpanID]bool{}
		for _, s := range spans {
			if seen[s.ID] {
				return
			}
			seen[s.ID] = true
		}
		r := rand.New(rand.NewPCG(1, uint64(len(spans))))
		r.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
		if again := tree.Build(spans); drawn(again) != drawn(b) {
			t.Errorf("in another order\n%s\n%s", drawn(again), drawn(b))
		}
	})
}

func FuzzBuild(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 10, 2, 1, 3, 1, 8, 3, 2, 2, 2, 4})
	f.Add([]byte{1, 2, 0, 0, 10, 2, 1, 3, 1, 8})
	f.Fuzz(func(t *testing.T, data []byte) {
		var spans []signal.Span
		for ; len(data) >= 5; data = data[5:] {
			s := signal.Span{Kind: signal.Kind(data[2] % 6), Status: signal.Status(data[2] / 6 % 3), Start: int64(data[3]) << (data[2] % 57), Duration: int64(int8(data[4])) << (data[2] % 57)}
			s.ID[0], s.Parent[0], s.Service = data[0], data[1], []string{"x", "y"}[data[0]%2]
			spans = append(spans, s)
		}
		holds(t, spans, tree.Build(spans))
	})
}
