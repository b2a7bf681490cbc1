package diagnose_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/diagnose"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// trace grows a trace for a test.
type trace struct {
	id    byte
	spans []signal.Span
}

// add adds a span of milliseconds below another (0: none) and returns its number.
func (t *trace) add(above int, service, name string, kind signal.Kind, from, until float64, with ...func(*signal.Span)) int {
	s := signal.Span{Service: service, Name: name, Kind: kind, Start: int64(from * 1e6), Duration: int64((until - from) * 1e6)}
	s.Trace[0] = t.id
	s.ID[6], s.ID[7] = byte((len(t.spans)+1)>>8), byte(len(t.spans)+1)
	s.Parent[6], s.Parent[7] = byte(above>>8), byte(above)
	for _, f := range with {
		f(&s)
	}
	t.spans = append(t.spans, s)
	return len(t.spans)
}

func attr(key, value string) func(*signal.Span) {
	return func(s *signal.Span) {
		s.Attributes = append(s.Attributes, signal.Attribute{Key: key, Value: signal.StringValue(value)})
	}
}

func failed(why string) func(*signal.Span) {
	return func(s *signal.Span) { s.Status, s.Message = signal.Error, why }
}

// order is an order of the shop of which the card takes so many ms.
func order(id byte, card float64, more ...func(t *trace, orders int)) *tree.Tree {
	t := &trace{id: id}
	root := t.add(0, "edge", "POST /v1/orders", signal.Server, 0, card+40)
	call := t.add(root, "edge", "POST", signal.Client, 1, card+39)
	orders := t.add(call, "orders", "POST /v1/orders", signal.Server, 2, card+38)
	pay := t.add(orders, "orders", "POST", signal.Client, 20, card+30, attr("server.address", "card"))
	t.add(pay, "card", "POST /v1/charges", signal.Server, 22, card+22)
	for _, m := range more {
		m(t, orders)
	}
	return tree.Build(t.spans)
}

func usual(n int, more ...func(*trace, int)) []*tree.Tree {
	var all []*tree.Tree
	for i := range n {
		all = append(all, order(byte(100+i), 12, more...))
	}
	return all
}

func TestWhy(t *testing.T) {
	const client, server, consumer = signal.Client, signal.Server, signal.Consumer
	queries := func(n int, text string) func(t *trace, orders int) {
		return func(t *trace, orders int) {
			for i := range n {
				from := 2 + 16*float64(i)/float64(n)
				t.add(orders, "orders", "SELECT", client, from, from+16/float64(n),
					attr("db.system.name", "sqlite"), attr("db.query.text", fmt.Sprintf(text, i)))
			}
		}
	}
	for name, c := range map[string]struct {
		trace  *tree.Tree
		others []*tree.Tree
		want   string // of the sentence; all of it
		first  string // the first cause's sentence
	}{
		"slow in another service": {
			order(1, 4200), usual(9),
			"4.2 s of 4.24 s were spent in card: POST /v1/charges, which usually takes 12 ms.",
			"4.2 s were spent in card: POST /v1/charges, which usually takes 12 ms.",
		},
		"itself is not another": {
			order(1, 4200), append(usual(4), order(1, 4200)),
			"4.2 s of 4.24 s were spent in card: POST /v1/charges. There are only 4 other traces of edge: POST /v1/orders, too few to say what is usual.",
			"4.2 s were spent in card: POST /v1/charges.",
		},
		"alone": {
			order(1, 4200), nil,
			"4.2 s of 4.24 s were spent in card: POST /v1/charges. There is no other trace of edge: POST /v1/orders to compare it with.",
			"4.2 s were spent in card: POST /v1/charges.",
		},
		"as usual": {
			order(1, 13), usual(9),
			"It took 53 ms, as long as usual (52 ms): 26 ms were spent in orders: POST /v1/orders, as usual.",
			"13 ms were spent in card: POST /v1/charges, as usual.",
		},
		"something new": {
			order(1, 12, func(t *trace, orders int) {
				t.spans[0].Duration += 90e6
				t.spans[1].Duration += 90e6
				t.spans[2].Duration += 90e6
				t.add(orders, "orders", "reprice", signal.Internal, 43, 133)
			}), usual(9),
			"90 ms of 142 ms were spent in orders: reprice, which is not usually done at all.",
			"90 ms were spent in orders: reprice, which is not usually done at all.",
		},
		"on the way": {
			order(1, 12, func(t *trace, orders int) {
				for i := range 4 {
					t.spans[i].Duration += 300e6
				}
				t.spans[4].Start += 290e6
			}), usual(9),
			"310 ms of 352 ms were spent between orders and card (POST): on the way, or before card took it on, which usually takes 10 ms.",
			"310 ms were spent between orders and card (POST): on the way, or before card took it on, which usually takes 10 ms.",
		},
		"the same again and again": {
			order(1, 0, queries(8, "SELECT name FROM products WHERE id = %d")), usual(2),
			"16 ms of 40 ms were spent by orders waiting for its database: SELECT name FROM products WHERE id = 0; orders asks the same 8 times in one POST /v1/orders. There are only 2 other traces of edge: POST /v1/orders, too few to say what is usual.",
			"16 ms were spent by orders waiting for its database: SELECT name FROM products WHERE id = 0; orders asks the same 8 times in one POST /v1/orders.",
		},
		"a long statement goes by the name of its span": {
			order(1, 0, func(t *trace, orders int) {
				t.add(orders, "orders", "INSERT ledger", client, 2, 18, attr("db.system.name", "sqlite"), attr("db.query.text", "INSERT INTO ledger ("+strings.Repeat("a, ", 30)+"b)"))
			}), usual(2),
			"16 ms of 40 ms were spent by orders waiting for its database: INSERT ledger. There are only 2 other traces of edge: POST /v1/orders, too few to say what is usual.",
			"16 ms were spent by orders waiting for its database: INSERT ledger.",
		},
		"different ones are not the same": {
			order(1, 0, queries(8, "SELECT c%d FROM products")), nil,
			"10 ms of 40 ms were spent between orders and card (POST): on the way, or before card took it on. There is no other trace of edge: POST /v1/orders to compare it with.",
			"10 ms were spent between orders and card (POST): on the way, or before card took it on.",
		},
		"failed and tried again": {
			order(1, 100, func(t *trace, _ int) {
				a := t.add(3, "orders", "charge", client, 2, 8, failed("connection refused."))
				t.add(a, "card", "charge", server, 3, 7, failed("no"))
				t.add(3, "orders", "charge", client, 9, 12, failed("connection refused"))
				t.add(3, "orders", "charge", client, 13, 19)
			}), usual(9),
			"100 ms of 140 ms were spent in card: POST /v1/charges, which usually takes 12 ms. orders tried charge 3 times: connection refused.",
			"100 ms were spent in card: POST /v1/charges, which usually takes 12 ms.",
		},
		"a step of a saga, tried again behind the answer": {
			order(1, 100, func(t *trace, orders int) {
				a := t.add(orders, "orders", "saga checkout pay", signal.Internal, 139, 200, failed("no answer"))
				t.add(a, "orders", "charge", client, 140, 190, failed("no answer"))
				t.add(orders, "orders", "saga checkout pay", signal.Internal, 400, 430)
			}), usual(9),
			"100 ms of 140 ms were spent in card: POST /v1/charges, which usually takes 12 ms. orders tried saga checkout pay 2 times: no answer. Work went on for 290 ms behind the answer.",
			"100 ms were spent in card: POST /v1/charges, which usually takes 12 ms.",
		},
		"failed": {
			order(1, 100, func(t *trace, _ int) {
				for i := range t.spans {
					t.spans[i].Status, t.spans[i].Message = signal.Error, "because\nof this"
				}
			}), usual(9),
			"100 ms of 140 ms were spent in card: POST /v1/charges, which usually takes 12 ms. It failed in card: POST /v1/charges: because of this.",
			"100 ms were spent in card: POST /v1/charges, which usually takes 12 ms.",
		},
		"a failure that did no harm": {
			order(1, 100, func(t *trace, orders int) {
				t.add(orders, "orders", "GET", client, 3, 4, failed(""))
			}), usual(9),
			"100 ms of 140 ms were spent in card: POST /v1/charges, which usually takes 12 ms. A failure in orders: GET did no harm to the answer.",
			"100 ms were spent in card: POST /v1/charges, which usually takes 12 ms.",
		},
		"behind the answer": {
			order(1, 100, func(t *trace, orders int) {
				p := t.add(orders, "orders", "publish orders.placed", signal.Producer, 130, 131)
				t.add(p, "notify", "process orders.placed", consumer, 140, 340, failed("mail server away"))
			}), usual(9),
			"100 ms of 140 ms were spent in card: POST /v1/charges, which usually takes 12 ms. Work behind the answer failed in notify: process orders.placed: mail server away. Work went on for 200 ms behind the answer, 200 ms of it in notify: process orders.placed.",
			"100 ms were spent in card: POST /v1/charges, which usually takes 12 ms.",
		},
		"less than usual": {
			order(1, 12),
			[]*tree.Tree{order(2, 300), order(3, 300), order(4, 300), order(5, 300), order(6, 300)},
			"It took 52 ms, less than usual (340 ms): 26 ms were spent in orders: POST /v1/orders, as usual.",
			"26 ms were spent in orders: POST /v1/orders, as usual.",
		},
		"two databases' statements and two services called are told apart": {
			order(1, 12, func(t *trace, orders int) {
				for i := range 3 {
					t.spans[i].Duration += 90e6
				}
				t.add(orders, "orders", "POST", client, 43, 53, attr("server.address", "stock"))
				t.add(orders, "orders", "query", client, 53, 93, attr("db.system", "sqlite"), attr("db.statement", "SELECT 'a' FROM b"))
				t.add(orders, "orders", "query", client, 93, 103, attr("db.system", "sqlite"), attr("db.statement", "SELECT 'a' FROM c"))
			}), usual(9, func(t *trace, orders int) {
				t.add(orders, "orders", "query", client, 3, 5, attr("db.system", "sqlite"), attr("db.statement", "SELECT 'b' FROM b"))
			}),
			"40 ms of 142 ms were spent by orders waiting for its database: SELECT 'a' FROM b, which usually takes 2 ms. 56 ms were spent in orders: POST /v1/orders, which usually takes 24 ms.",
			"40 ms were spent by orders waiting for its database: SELECT 'a' FROM b, which usually takes 2 ms.",
		},
		"no spans": {tree.Build(nil), usual(9), "The trace has no spans.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := diagnose.Why(c.trace, c.others)
			if a.Sentence != c.want {
				t.Errorf("got\n%s\nwant\n%s", a.Sentence, c.want)
			}
			var first string
			if len(a.Causes) > 0 {
				first = a.Causes[0].Sentence
			}
			if first != c.first {
				t.Errorf("the first cause is\n%s\nwant\n%s", first, c.first)
			}
		})
	}
}

func TestFigures(t *testing.T) {
	a := diagnose.Why(order(1, 4200), append(usual(6), order(50, 14)))
	want := diagnose.Cause{
		Service: "card", Name: "POST /v1/charges", Kind: "server", Spans: 1, Critical: 4200, Own: 4200, Usual: 12, Excess: 4188, Usually: 1,
		Example: signal.SpanID{7: 5}, Sentence: "4.2 s were spent in card: POST /v1/charges, which usually takes 12 ms.",
	}
	if a.Causes[0] != want || a.Others != 7 || !a.Enough || a.Usual != 52 || a.Duration != 4240 || a.Service != "edge" || a.Name != "POST /v1/orders" {
		t.Errorf("%+v", a)
	}
}

func TestTook(t *testing.T) {
	for ms, want := range map[float64]string{
		0: "0 ms", 0.0004: "0 µs", 0.12: "120 µs", 0.9994: "999 µs", 0.9999: "1 ms", 4.21: "4.2 ms", 5: "5 ms", 9.96: "10 ms", 420.4: "420 ms",
		999.6: "1 s", 1500: "1.5 s", 4623: "4.62 s", 12_000: "12 s", 59_940: "59.9 s", 59_960: "1 min", 60_000: "1 min", 125_000: "2 min 5 s", -4.21: "-4.2 ms",
		math.Inf(1): "?", math.NaN(): "?",
	} {
		if got := diagnose.Took(ms); got != want {
			t.Errorf("%v: %q, want %q", ms, got, want)
		}
	}
}

// Whatever the traces, the causes' critical times are the trace's duration, and the
// answer is the same each time.
func TestProperties(t *testing.T) {
	grown := func(t *rapid.T, id byte) *tree.Tree {
		g := &trace{id: id}
		for i := range rapid.IntRange(0, 14).Draw(t, "spans") {
			from := rapid.Float64Range(0, 50).Draw(t, "from")
			var with []func(*signal.Span)
			if rapid.Bool().Draw(t, "fails") {
				with = append(with, failed(rapid.SampledFrom([]string{"", "no"}).Draw(t, "why")))
			}
			g.add(rapid.IntRange(0, i).Draw(t, "above"), rapid.SampledFrom([]string{"x", "y", ""}).Draw(t, "service"),
				rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "name"), signal.Kind(rapid.ByteMax(5).Draw(t, "kind")),
				from, from+rapid.Float64Range(0, 50).Draw(t, "long"), with...)
		}
		return tree.Build(g.spans)
	}
	rapid.Check(t, func(t *rapid.T) {
		one := grown(t, 1)
		var others []*tree.Tree
		for i := range rapid.IntRange(0, 8).Draw(t, "others") {
			others = append(others, grown(t, byte(2+i)))
		}
		a := diagnose.Why(one, others)
		var sum float64
		for _, c := range a.Causes {
			sum += c.Critical
		}
		if len(a.Causes) < 20 && math.Abs(sum-a.Duration) > 1e-6 {
			t.Errorf("the causes take %v, the trace %v", sum, a.Duration)
		}
		if !strings.HasSuffix(a.Sentence, ".") || a.Causes == nil {
			t.Errorf("%+v", a)
		}
		if again := diagnose.Why(one, others); !reflect.DeepEqual(a, again) {
			t.Errorf("%+v\n%+v", a, again)
		}
	})
}
