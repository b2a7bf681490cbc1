package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/problem"
)

// What a client says of itself, of its importance and of its trace reaches an instance from
// neither engine, but for the trace's id; what else it says does, and nothing is added that
// the other engine would not.
func TestWhatComesFromOutside(t *testing.T) {
	const tracing = "0af7651916cd43dd8448eb211c80319c"
	addr := handled(t, func(w http.ResponseWriter, r *http.Request) {
		var seen []string
		for name, values := range r.Header {
			if name == "Traceparent" {
				values = []string{strings.TrimSuffix(strings.TrimPrefix(values[0], "00-"+tracing), "-00")[:1]} // its span is new
			}
			seen = append(seen, fmt.Sprint(name, values))
		}
		slices.Sort(seen)
		_, _ = io.WriteString(w, strings.Join(seen, "\n"))
	})
	e := newEdge(t, nil, addr)
	const ask = "GET / HTTP/1.1\r\nHost: x\r\nX-Own: 1\r\nX-Own: 2\r\n" +
		"Muster-Priority: critical\r\nTracestate: ot=th:fff\r\nTraceparent: 00-" + tracing + "-b7ad6b7169203331-01\r\n" +
		"X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\nProxy: http://192.0.2.1\r\n" +
		"X-Request-Id: id-7\r\nConnection: x-named, keep-alive\r\nX-Named: 1\r\nTE: gzip\r\nTrailer: X-T\r\nKeep-Alive: 5\r\nProxy-Authorization: Basic x\r\n\r\n"
	for engine, to := range map[string]string{"own": e.own, "net/http": e.other} {
		t.Run(engine, func(t *testing.T) {
			c, r := dial(t, to)
			if _, err := io.WriteString(c, ask); err != nil {
				t.Fatal(err)
			}
			a := answer(r, "GET")
			var got []string
			for line := range strings.SplitSeq(a.body, "\n") {
				name, _, _ := strings.Cut(line, "[")
				switch {
				case strings.HasPrefix(name, "X-Forwarded-") && !strings.Contains(line, "192.0.2.1"): // the edge's own
				case name == "Muster-Caller" || name == "X-Own" && line == "X-Own[1 2]" || name == "X-Request-Id" && line == "X-Request-Id[id-7]" || line == "Traceparent[-]":
				default:
					got = append(got, line)
				}
			}
			if a.err != nil || a.status != 200 || len(got) > 0 || !strings.Contains(a.body, "X-Own[1 2]") || !strings.Contains(a.body, "Traceparent[-]") {
				t.Errorf("%d, %v; what should not be there: %q, in all:\n%s", a.status, a.err, got, a.body)
			}
		})
	}
}

// splitter is a filter that writes line ends into values, as a mistake in one could.
type splitter struct{ refuses bool }

func (s splitter) Request(_ context.Context, r *filter.Request) error {
	r.Fields.Set("X-Up", "a\r\nX-Evil: 1")
	r.Reply.Set("X-Down", "b\r\nX-Evil: 1\n\r\nevil")
	if s.refuses {
		return problem.New(problem.PermissionDenied, "no")
	}
	return nil
}

// A line end in the value of a field begins no other field, up or down.
func TestNoFieldIsTwo(t *testing.T) {
	e := newEdge(t, nil, handled(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header["X-Up"], r.Header["X-Evil"])
	}))
	doc, err := snapshot.Parse([]byte(`{"routes":[{"path":"/","service":"a","filters":["ok"]},{"path":"/no","service":"a","filters":["no"]}],
		"filters":{"ok":{"kind":"ok"},"no":{"kind":"no"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	made := func(refuses bool) filter.Maker {
		return func(context.Context, filter.Env, json.RawMessage) (filter.Filter, error) {
			return splitter{refuses}, nil
		}
	}
	s, err := snapshot.Compile(t.Context(), doc, nil, snapshot.Config{Makers: map[string]filter.Maker{"ok": made(false), "no": made(true)}})
	if err != nil {
		t.Fatal(err)
	}
	e.gateway.Use(s)
	c, r := dial(t, e.own)
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	for path, status := range map[string]int{"/": http.StatusOK, "/no": http.StatusForbidden, "/no/more": http.StatusForbidden} {
		_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != status || res.Header.Get("X-Down") != "b" || res.Header["X-Evil"] != nil || status == http.StatusOK && string(body) != "[a] []" {
			t.Errorf("%s: %d %v, %q, %v", path, res.StatusCode, res.Header, body, err)
		}
	}
}
