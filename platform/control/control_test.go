package control_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/control"
)

// begin runs control and returns its address, and what ends it.
func begin(t *testing.T) (address string, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	up, ended := make(chan int, 1), make(chan error, 1)
	go func() {
		ended <- muster.Run(ctx, []muster.Service{control.Service(control.Config{StateDir: t.TempDir(), Hosts: []string{"Fleet.example"}})},
			muster.Environment(func(name string) (string, bool) { return "0", name == "PORT" || name == "GRPC_PORT" }),
			muster.OnReady(func(_ string, s muster.Settings) { up <- s.Port }))
	}()
	t.Cleanup(cancel)
	select {
	case port := <-up:
		return fmt.Sprint("127.0.0.1:", port), func() error { cancel(); return <-ended }
	case err := <-ended:
		t.Fatal(err)
		return "", nil
	}
}

func ask(t *testing.T, method, address, host string, header ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// Neither a page from elsewhere, nor one of a name that somebody made point here, reads or
// orders anything; the dashboard's own, and programs, do.
func TestPagesFromElsewhereHaveNoSay(t *testing.T) {
	address, end := begin(t)
	_, port, _ := strings.Cut(address, ":")
	for _, c := range []struct {
		host, origin string
		status       int // of what is read
	}{
		{"", "", 200},
		{"localhost:" + port, "http://localhost:" + port, 200},
		{"fleet.example", "http://fleet.example", 200},
		{"[::1]:" + port, "", 200},
		{"evil.example:" + port, "", 403},
		{"evil.example:" + port, "http://evil.example:" + port, 403},
		{"127.0.0.1.evil.example", "", 403},
		{"", "http://evil.example", 403},
		{"", "null", 403},
		{"", "http://127.0.0.1:1", 403},
		{"localhost:" + port, "http://" + address, 403},
	} {
		header := []string{"Content-Type", "application/json", "Muster-Action", "yes"}
		if c.origin != "" {
			header = append(header, "Origin", c.origin)
		}
		for _, path := range []string{"/", "/assets/app.js", "/v1/telemetry/health", "/v1/telemetry/services", "/v1/ops/queues", "/v1/stream?events=nothing", "/api/v1/query?query=1", "/api/services", "/metrics"} {
			want := c.status
			if strings.HasPrefix(path, "/v1/stream") && want == 200 {
				want = 400 // it would not end
			}
			if status, body := ask(t, http.MethodGet, address+path, c.host, header...); status != want {
				t.Errorf("%s as %q from %q: %d %.100s, want %d", path, c.host, c.origin, status, body, want)
			}
		}
		if status, body := ask(t, http.MethodPost, address+"/v1/ops/redrive", c.host, header...); (status == 403) != (c.status == 403) {
			t.Errorf("an order as %q from %q: %d %.100s", c.host, c.origin, status, body)
		}
		if c.status != 200 { // of what takes: nothing of a browser
			for _, path := range []string{"/v1/services", "/v1/traces"} {
				if status, _ := ask(t, http.MethodPut, address+path+"/x", c.host, header...); status < 400 {
					t.Errorf("%s as %q from %q: %d", path, c.host, c.origin, status)
				}
			}
		}
	}
	if status, _ := ask(t, http.MethodPost, address+"/v1/ops/redrive", ""); status != 403 {
		t.Errorf("an order without its header: %d", status)
	}
	if status, body := ask(t, http.MethodGet, address+"/assets/..%2f..%2fcontrol.go", ""); status != 404 || strings.Contains(body, "package") {
		t.Errorf("a path out of the folder: %d %.100s", status, body)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// Readers of streams do not hold up the end, and the end is told to them.
func TestStreamsEndWithControl(t *testing.T) {
	address, end := begin(t)
	var readers []*http.Response
	for i := range 20 {
		path := []string{"/v1/stream", "/v1/telemetry/logs/stream"}[i%2]
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		defer res.Body.Close()
		readers = append(readers, res)
	}
	if line, err := bufio.NewReader(readers[0].Body).ReadString('\n'); err != nil || !strings.HasPrefix(line, "event: ") {
		t.Fatal(line, err)
	}
	began := time.Now()
	if err := end(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end took %s", took)
	}
	for _, res := range readers {
		_, _ = io.Copy(io.Discard, res.Body) // returns
	}
}

// A question that would take for ever is answered, with an error.
func TestQuestionsAreBounded(t *testing.T) {
	address, end := begin(t)
	for _, q := range []url.Values{
		{"query": {`sum(count_over_time({__name__=~"(.*.*.*)*x|(a|aa)+y.{900}.{900}.*"}[30d:1s]))`}, "start": {"0"}, "end": {"11000"}, "step": {"1"}},
		{"query": {`vector(1)`}, "start": {"0"}, "end": {"99999999999"}, "step": {"0.001"}},
		{"query": {strings.Repeat("(", 20_000) + "1" + strings.Repeat(")", 20_000)}, "start": {"0"}, "end": {"10"}, "step": {"1"}},
	} {
		began := time.Now()
		status, body := ask(t, http.MethodGet, address+"/api/v1/query_range?"+q.Encode(), "")
		if took := time.Since(began); took > 10*time.Second || status == 500 {
			t.Errorf("%.60s: %d %.200s after %s", q.Get("query"), status, body, took)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
