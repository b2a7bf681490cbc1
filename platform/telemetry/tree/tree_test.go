package tree_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// span makes a span of milliseconds. Ids are one byte; parent 0 is none.
func span(id, parent byte, service string, kind signal.Kind, from, until int64) signal.Span {
	ms := int64(time.Millisecond)
	s := signal.Span{Service: service, Name: string('a' + rune(id-1)), Kind: kind, Start: from * ms, Duration: (until - from) * ms}
	s.ID[7], s.Parent[7], s.Trace[15] = id, parent, 1
	return s
}

// drawn writes a tree in one line: depth dots, name, own time, how far it was moved.
func drawn(t *tree.Tree) string {
	var b strings.Builder
	for _, n := range t.Nodes {
		fmt.Fprintf(&b, "%s%s %d", strings.Repeat(".", n.Depth), n.Name, n.Own/int64(time.Millisecond))
		if n.Missing {
			b.WriteString(" missing")
		}
		if n.Moved != 0 {
			fmt.Fprintf(&b, " %+d", n.Moved/int64(time.Millisecond))
		}
		b.WriteString("\n")
	}
	for _, p := range t.Critical {
		fmt.Fprintf(&b, "%s[%d,%d] ", p.Node.Name, p.From/int64(time.Millisecond), p.Until/int64(time.Millisecond))
	}
	return b.String()
}

const (
	internal = signal.Internal
	server   = signal.Server
	client   = signal.Client
	producer = signal.Producer
	consumer = signal.Consumer
)

func TestBuild(t *testing.T) {
	on := func(host string, s signal.Span) signal.Span {
		s.Resource = signal.Attributes{{Key: "host.name", Value: signal.StringValue(host)}}
		return s
	}
	failed := func(s signal.Span) signal.Span { s.Status = signal.Error; return s }
	for name, c := range map[string]struct {
		spans []signal.Span
		want  string
	}{
		"nothing": {nil, ""},
		"one":     {[]signal.Span{span(1, 0, "x", server, 0, 10)}, "a 10\na[0,10] "},
		"in whatever order": {
			[]signal.Span{span(3, 1, "x", internal, 6, 9), span(2, 1, "x", internal, 1, 5), span(1, 0, "x", server, 0, 10)},
			"a 3\n.b 4\n.c 3\na[0,1] b[1,5] a[5,6] c[6,9] a[9,10] ",
		},
		"a call": {
			[]signal.Span{span(1, 0, "x", server, 0, 10), span(2, 1, "x", client, 1, 9), span(3, 2, "y", server, 2, 8)},
			"a 2\n.b 2\n..c 6\na[0,1] b[1,2] c[2,8] b[8,9] a[9,10] ",
		},
		"the last of several at the same time counts": {
			[]signal.Span{span(1, 0, "x", server, 0, 10), span(2, 1, "x", client, 1, 5), span(3, 1, "x", client, 2, 9), span(4, 1, "x", client, 3, 6)},
			"a 2\n.b 4\n.c 7\n.d 3\na[0,2] c[2,9] a[9,10] ",
		},
		"one after the other, two at a time": {
			[]signal.Span{span(1, 0, "x", server, 0, 8), span(2, 1, "x", client, 0, 3), span(3, 1, "x", client, 0, 4), span(4, 1, "x", client, 3, 6), span(5, 1, "x", client, 4, 8)},
			"a 0\n.c 4\n.b 3\n.d 3\n.e 4\nc[0,4] e[4,8] ",
		},
		"an overlap that is the clock's": {
			[]signal.Span{span(1, 0, "x", server, 0, 100), span(2, 1, "x", client, 0, 51), span(3, 1, "x", client, 50, 100)},
			"a 0\n.b 51\n.c 50\nb[0,50] c[50,100] ",
		},
		"a child that goes on is cut": {
			[]signal.Span{span(1, 0, "x", server, 0, 10), span(2, 1, "x", internal, 4, 30)},
			"a 4\n.b 26\na[0,4] b[4,10] ",
		},
		"messages and what comes later keep nobody": {
			[]signal.Span{
				span(1, 0, "x", server, 0, 10), span(2, 1, "x", producer, 1, 3), span(3, 2, "y", consumer, 2, 9),
				span(4, 1, "x", internal, 12, 20), span(5, 2, "z", server, 2, 8), span(6, 2, "x", client, 1, 2),
			},
			"a 8\n.b 1\n..f 1\n..c 7\n..e 6\n.d 8\na[0,1] f[1,2] b[2,3] a[3,10] ",
		},
		"a missing parent": {
			[]signal.Span{span(2, 9, "x", server, 0, 4), span(1, 0, "x", server, 1, 5), span(3, 2, "x", internal, 1, 2)},
			"a 4\nb 3 missing\n.c 1\na[1,5] ",
		},
		"a ring": {
			[]signal.Span{span(1, 3, "x", internal, 2, 4), span(2, 1, "x", internal, 1, 4), span(3, 2, "x", internal, 1, 5), span(4, 1, "x", internal, 2, 3)},
			"b 0 missing\n.c 2\n..a 1\n...d 1\nc[1,2] d[2,3] a[3,4] ",
		},
		"its own parent": {[]signal.Span{span(1, 1, "x", internal, 0, 4)}, "a 4 missing\na[0,4] "},
		"a duplicate":    {[]signal.Span{span(1, 0, "x", server, 0, 4), span(1, 0, "x", server, 0, 4), span(2, 1, "x", internal, 0, 3)}, "a 1\n.b 3\nb[0,3] a[3,4] "},
		"one id, two services": {
			[]signal.Span{span(1, 0, "x", server, 0, 10), span(2, 1, "y", server, 2, 8), span(2, 1, "x", client, 1, 9), span(3, 2, "y", internal, 3, 4)},
			"a 2\n.b 2\n..b 5\n...c 1\na[0,1] b[1,2] b[2,3] c[3,4] b[4,8] b[8,9] a[9,10] ",
		},
		"a clock ahead": {
			[]signal.Span{span(1, 0, "x", client, 100, 120), span(2, 1, "y", server, 1000, 1010), span(3, 2, "y", internal, 1002, 1003), span(4, 2, "z", server, 108, 110)},
			"a 10\n.b 7 -895\n..c 1 -895\n..d 2\na[100,105] b[105,107] c[107,108] d[108,110] b[110,115] a[115,120] ",
		},
		"a clock behind": {
			[]signal.Span{span(1, 0, "x", client, 100, 120), span(2, 1, "y", server, 95, 105)},
			"a 10\n.b 10 +10\na[100,105] b[105,115] a[115,120] ",
		},
		"a clock behind, and longer than its parent": {
			[]signal.Span{span(1, 0, "x", client, 100, 120), span(2, 1, "y", server, 50, 90)},
			"a 0\n.b 40 +50\nb[100,120] ",
		},
		"one host has one clock": {
			[]signal.Span{on("h", span(1, 0, "x", client, 100, 120)), on("h", span(2, 1, "y", server, 95, 105))},
			"a 15\n.b 10\nb[100,105] a[105,120] ",
		},
		"two hosts have two": {
			[]signal.Span{on("h", span(1, 0, "x", client, 100, 120)), on("i", span(2, 1, "x", server, 95, 105))},
			"a 10\n.b 10 +10\na[100,105] b[105,115] a[115,120] ",
		},
		"a caller that gave up": {
			[]signal.Span{failed(span(1, 0, "x", client, 100, 120)), span(2, 1, "y", server, 110, 128), span(3, 1, "y", server, 121, 130)},
			"a 10\n.b 18\n.c 9\na[100,110] b[110,120] ",
		},
		"cleaning up after the answer": {
			[]signal.Span{span(1, 0, "x", client, 100, 200), span(2, 1, "y", server, 110, 210)},
			"a 10\n.b 100\na[100,110] b[110,200] ",
		},
		"no duration": {[]signal.Span{span(1, 0, "x", server, 5, 5), span(2, 1, "x", internal, 5, 5)}, "a 0\n.b 0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := tree.Build(c.spans)
			if text := drawn(got); text != c.want {
				t.Errorf("got\n%s\nwant\n%s", text, c.want)
			}
			if got.Skewed != strings.ContainsAny(c.want, "+-") {
				t.Errorf("Skewed is %v", got.Skewed)
			}
		})
	}
}

func TestMovedSpansAreCopies(t *testing.T) {
	spans := []signal.Span{span(1, 0, "x", client, 100, 120), span(2, 1, "y", server, 1000, 1010)}
	spans[1].Events = []signal.Event{{Time: spans[1].Start + 1, Name: "e"}}
	was := spans[1].Start
	n := tree.Build(spans).Nodes[1]
	if n.Start != was+n.Moved || n.Events[0].Time != n.Start+1 {
		t.Errorf("it starts at %d, its event is at %d", n.Start, n.Events[0].Time)
	}
	if spans[1].Start != was || spans[1].Events[0].Time != was+1 {
		t.Error("what was given has changed")
	}
}

func TestNothing(t *testing.T) {
	if b := tree.Build(nil); b.Root() != nil || b.End() != 0 {
		t.Errorf("%v", b)
	}
}

// A trace of 100,000 spans is put together while a person waits, deep or wide.
func TestLarge(t *testing.T) {
	for name, above := range map[string]func(i int) int{
		"wide": func(int) int { return 1 }, "deep": func(i int) int { return i - 1 }, "bushy": func(i int) int { return i / 8 },
	} {
		spans := make([]signal.Span, 100_000)
		for i := range spans {
			s := &spans[i]
			s.ID = [8]byte{1: byte((i + 1) >> 16), 2: byte((i + 1) >> 8), 3: byte(i + 1)}
			if i > 0 {
				p := max(1, above(i+1))
				s.Parent = [8]byte{1: byte(p >> 16), 2: byte(p >> 8), 3: byte(p)}
			}
			s.Service, s.Start, s.Duration = fmt.Sprint("s", i%10), int64(1_000_000+i), int64(400_000-2*i)
			s.Resource = signal.Attributes{{Key: "service.instance.id", Value: signal.StringValue(s.Service)}}
		}
		began := time.Now()
		b := tree.Build(spans)
		took := time.Since(began)
		t.Logf("%s: %v, %d pieces", name, took, len(b.Critical))
		if len(b.Nodes) != len(spans) || took > 3*time.Second { // 300 ms on a machine of its own
			t.Errorf("%s: %d nodes in %v", name, len(b.Nodes), took)
		}
	}
}
