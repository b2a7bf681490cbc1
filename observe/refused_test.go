package observe_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/observe"
)

// Of requests that are turned away those have a span that were sampled, and nothing is held or
// kept of the others for their failure: there are most of them just when there is no time. Each
// goes on with a trace all the same.
func TestARefusalIsKeptOnlyWhereSampled(t *testing.T) {
	const n = 3000
	for name, begin := range map[string]func(*observe.Edge, context.Context, *observe.Entry, time.Time, string, string, string) context.Context{
		"refused": (*observe.Edge).Refuse,
		"failed":  (*observe.Edge).Begin,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook()
			tel, end := observed(t, b)
			edge := tel.Edge()
			var entry observe.Entry
			sampled, recorded := 0, 0
			for i := range n {
				parent, trusted := "", fmt.Sprintf("%032x", i+1)
				if i%2 == 0 {
					parent = "00-" + trusted + "-00f067aa0ba902b7-01" // a stranger's word
				}
				ctx := begin(edge, t.Context(), &entry, time.Now().Add(-time.Hour), http.MethodGet, "r-1", parent)
				if parent != "" && entry.TraceID() != trusted {
					t.Fatalf("trace %s goes on as %s", trusted, entry.TraceID())
				}
				if sc := trace.SpanContextFromContext(ctx); sc.TraceID().String() != entry.TraceID() {
					t.Fatalf("the context has trace %s, the field %s", sc.TraceID(), entry.TraceID())
				}
				if strings.HasSuffix(entry.Traceparent(), "-01") {
					sampled++
				}
				if entry.Records() {
					recorded++
				}
				edge.End(&entry, "/v1", "/v1", http.StatusServiceUnavailable, true)
			}
			end()
			kept := 0
			list := b.GetSpans()
			for _, s := range list {
				if strings.Contains(attributes(s), "muster.kept") {
					kept++
				}
			}
			if sampled == 0 || sampled > n/3 {
				t.Fatalf("%d of %d were sampled", sampled, n)
			}
			if len(list)-kept != sampled {
				t.Errorf("%d were sampled, %d were sent for that", sampled, len(list)-kept)
			}
			want := 0
			if name == "failed" { // what else comes to an end like this is held, and kept for it
				want = n - sampled
			}
			if kept != want || recorded != sampled+want {
				t.Errorf("of %d that were not sampled %d were recorded and %d kept, want %d", n-sampled, recorded-sampled, kept, want)
			}
			if got := b.points("http.server.request.duration"); len(got) != 1 {
				t.Errorf("counted %v", got)
			} else {
				for what, count := range got {
					if count != n || !strings.Contains(what, "503") {
						t.Errorf("counted %d of %s", count, what)
					}
				}
			}
		})
	}
}

// An edge from which nothing goes out makes no span of a refusal either.
func TestARefusalWithoutAnExporter(t *testing.T) {
	tel, err := observe.Start(t.Context(), observe.Config{Service: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	edge, ctx := tel.Edge(), t.Context()
	var entry observe.Entry
	if got := edge.Refuse(ctx, &entry, time.Now(), http.MethodGet, "", ""); got != ctx || entry.Records() || len(entry.TraceID()) != 32 {
		t.Errorf("it records: %v, trace %s", entry.Records(), entry.TraceID())
	}
	edge.End(&entry, "/", "", http.StatusServiceUnavailable, true)
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
