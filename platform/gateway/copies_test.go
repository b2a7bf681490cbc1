package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
)

// Copies are marked, their answers thrown away, and a service that hangs costs no request.
func TestMirror(t *testing.T) {
	reg := versions(t)
	type copied struct{ request, mark, body string }
	got := make(chan copied, 1000)
	var hangs atomic.Bool
	wait := make(chan struct{})
	shadow, _ := instance(t, "shadow-1", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- copied{r.Method + " " + r.RequestURI + " " + r.Host, r.Header.Get("X-Muster-Mirror"), string(body)}
		if hangs.Load() {
			<-wait
		}
		w.WriteHeader(http.StatusTeapot)
	})
	defer close(wait)
	shadow.Service = "shadow"
	reg.View("shadow").Set([]discovery.Instance{shadow})
	e := run(t, gateway.Config{Resolver: reg, Table: table(t, `{"routes":[
		{"path":"/safe","service":"a","mirror":{"service":"shadow"}},
		{"path":"/all","service":"a","mirror":{"service":"shadow","unsafe":true,"max_body":10},"rewrite":{"prefix":"/in"}}]}`)})
	both(t, func(t *testing.T, ask func(string, string, io.Reader, ...string) (*http.Response, string)) {
		for _, test := range []struct {
			method, path, body string
			want               copied
		}{
			{"GET", "/safe/x?y=1", "", copied{"GET /safe/x?y=1 shop.example", "1", ""}},
			{"POST", "/safe", "abc", copied{}},
			{"POST", "/all/x", "abc", copied{"POST /in/x shop.example", "1", "abc"}},
			{"POST", "/all/x", "open abc", copied{"POST /in/x shop.example", "1", "open abc"}},
			{"POST", "/all", "much too large for a copy", copied{}},
			{"POST", "/all", "open much too large for a copy", copied{}},
		} {
			var body io.Reader
			if test.body != "" {
				body = strings.NewReader(test.body)
				if strings.HasPrefix(test.body, "open") {
					body = struct{ io.Reader }{body}
				}
			}
			res, text := ask(test.method, e.url+test.path, body, "Host", "shop.example", "X-Muster-Mirror", "forged")
			if res.StatusCode != 200 || !strings.HasSuffix(text, fmt.Sprint(" ", len(test.body))) {
				t.Errorf("%s %s: %d %s", test.method, test.path, res.StatusCode, text)
			}
			if test.want == (copied{}) {
				continue
			}
			if c := <-got; c != test.want {
				t.Errorf("%s %s was copied as %+v", test.method, test.path, c)
			}
		}
	})
	eventually(t, "all copies are answered", func() bool {
		return strings.Contains(metrics(t, e), `muster_edge_mirrored_total{result="answered",service="shadow"} 6`)
	})
	hangs.Store(true)
	for range 300 {
		if status, _ := get(t, e.url+"/safe"); status != 200 {
			t.Fatalf("with a service that hangs: %d", status)
		}
	}
	text := metrics(t, e)
	if !strings.Contains(text, `muster_edge_mirrored_total{result="dropped",service="shadow"} 44`) ||
		!strings.Contains(text, `muster_edge_mirrored_total{result="too_large",service="shadow"} 4`) {
		t.Errorf("counted:\n%s", text)
	}
}

// A program's own middleware sees and changes whole requests and answers, and keeps what it
// knows when routes change.
func TestMiddleware(t *testing.T) {
	var wraps atomic.Int32
	shout := func(next http.Handler) http.Handler {
		wraps.Add(1)
		var calls atomic.Int32
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("stop") {
				http.Error(w, "stopped", http.StatusTeapot)
				return
			}
			r.Header.Set("X-Forwarded-Prefix", fmt.Sprint("call", calls.Add(1)))
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			w.Header().Set("X-Shout", "yes")
			w.WriteHeader(rec.Code)
			_, _ = io.WriteString(w, strings.ToUpper(rec.Body.String()))
		})
	}
	doc := `{"routes":[{"path":"/","service":"a","filters":["loud"]}%s],"filters":{"loud":{"kind":"middleware","with":{"name":"shout"}}}}`
	e := run(t, gateway.Config{
		Resolver: versions(t), Table: table(t, fmt.Sprintf(doc, "")),
		Middleware: map[string]func(http.Handler) http.Handler{"shout": shout},
	})
	calls := 0
	both(t, func(t *testing.T, ask func(string, string, io.Reader, ...string) (*http.Response, string)) {
		for range 2 {
			calls++
			res, text := ask("POST", e.url+"/x", strings.NewReader("abc"), "Host", "shop.example")
			if want := fmt.Sprintf("POST /X SHOP.EXAMPLE CALL%d 3", calls); !strings.HasSuffix(text, want) || res.Header.Get("X-Shout") != "yes" {
				t.Errorf("got %s, %v; want %s", text, res.Header, want)
			}
			if err := e.admin.SetDocument(t.Context(), *table(t, fmt.Sprintf(doc, fmt.Sprintf(`,{"path":"/n%d","service":"a"}`, calls)))); err != nil {
				t.Fatal(err)
			}
		}
		if res, text := ask("GET", e.url+"/x?stop", nil); res.StatusCode != http.StatusTeapot || text != "stopped\n" {
			t.Errorf("stopped with %d %s", res.StatusCode, text)
		}
	})
	if wraps.Load() != 1 {
		t.Errorf("wrapped %d times", wraps.Load())
	}
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	if log := e.log.String(); strings.Count(log, `"status":418,"bytes":8`) != 2 || strings.Count(log, "\n") != 6 {
		t.Errorf("logged:\n%s", log)
	}
}
