//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/query"
)

// Stock clients, which know nothing of Muster, send and ask: OpenTelemetry's SDK for Node
// tells of an order, by all three of its protocols; what it told is then asked for in the
// platform's own words, by promtool, and by what Jaeger's user interface asks for.
func TestStockClients(t *testing.T) {
	modules := needSDK(t)
	d := startDashboard(t)
	o := d.order(modules)
	t.Run("spans", o.spans)
	t.Run("logs", o.logs)
	t.Run("counts", o.counts)
	t.Run("promtool", o.promtool)
	t.Run("Jaeger", o.jaeger)
}

// needSDK returns the folder of the packages, which it installs when they are not there.
func needSDK(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(root, "scripts", "npm.sh")).CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 3 {
		t.Skipf("no SDK for Node: %s", bytes.TrimSpace(out))
	}
	if err != nil {
		t.Fatalf("scripts/npm.sh: %v\n%s", err, out)
	}
	return filepath.Join(root, "build", "npm", "node_modules")
}

// startDashboard runs `muster dashboard` until the test ends.
func startDashboard(t *testing.T) *aDemo {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out := &output{}
	d := &aDemo{t: t, dir: t.TempDir()}
	cmd := exec.Command(path, "dashboard", "--port", "0", "--otlp-grpc", "0", "--otlp-http", "0", "--dir", d.dir)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the dashboard ended with %v:\n%s", err, out)
		}
	})
	address := regexp.MustCompile(`dashboard +(http://\S+)/\n`)
	within(t, 20*time.Second, "the dashboard to be ready", func() error {
		m := address.FindStringSubmatch(out.String())
		if m == nil {
			return fmt.Errorf("it has printed:\n%s", out)
		}
		d.control = m[1]
		return nil
	})
	return d
}

// anOrder is what testdata/node/order.js told of.
type anOrder struct {
	*aDemo

	Trace   string            `json:"trace"`
	Earlier string            `json:"earlier"` // the trace that a link leads to
	Began   float64           `json:"began"`   // ms since 1970, of the earlier trace
	Spans   map[string]string `json:"spans"`   // ids by their names in the program
}

func (d *aDemo) order(modules string) *anOrder {
	d.t.Helper()
	cmd := exec.Command("node", filepath.Join("testdata", "node", "order.js"))
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "URL="+d.control)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	o := &anOrder{aDemo: d}
	if err != nil || json.Unmarshal(out, o) != nil || said.Len() > 0 {
		d.t.Fatalf("node: %v\n%s\n%s", err, out, &said) // the SDK warns of what it could not send
	}
	return o
}

// spans checks that they are as they were sent, in one tree over three protocols.
func (o *anOrder) spans(t *testing.T) {
	var trace query.Trace
	if err := o.ask("/v1/telemetry/traces/"+o.Trace, &trace); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range trace.Tree {
		text, err := json.Marshal(s.Attributes)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %s/%s < %s at %g for %g, error %v %q, %s %s", s.Kind, s.Service, s.Resource.Text("service.instance.id"), s.Name,
			s.Parent, s.Start-o.Began, s.Duration, s.Error, s.Message, s.Scope, text))
	}
	want := []string{
		`server edge edge-1/POST /v1/orders < 0000000000000000 at 1000 for 1000, error false "", stock {}`,
		`client edge edge-1/POST < ` + o.Spans["root"] + ` at 1001 for 998, error false "", stock {"server.address":"orders"}`,
		`server orders orders-1/POST /v1/orders < ` + o.Spans["call"] + ` at 1002 for 996, error true "sold out", stock ` +
			`{"cents":9.5,"counts":[1,2],"greeting":"grüß dich 🐎","http.response.status_code":409,"items":["a","b"],"late":true,"user.id":"7"}`,
		`client orders orders-1/POST < ` + o.Spans["order"] + ` at 1300 for 501, error false "", stock {"server.address":"card"}`,
		`server card card-1/POST /v1/charges < ` + o.Spans["pay"] + ` at 1301 for 499, error false "", stock {"big":1099511627776}`,
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	order := trace.Tree[2]
	if len(order.Events) != 2 || order.Events[0].Name != "reserved" || order.Events[0].Attributes.Text("pieces") != "2" || order.Events[0].Time != o.Began+1100 ||
		order.Events[1].Name != "exception" || order.Events[1].Attributes.Text("exception.message") != "sold out" ||
		!strings.Contains(order.Events[1].Attributes.Text("exception.stacktrace"), "\n    at ") {
		t.Errorf("its events are %+v", order.Events)
	}
	if len(order.Links) != 1 || order.Links[0].Trace.String() != o.Earlier || order.Links[0].Span.String() != o.Spans["earlier"] {
		t.Errorf("its links are %+v", order.Links)
	}
}

// logs checks the records of the trace.
func (o *anOrder) logs(t *testing.T) {
	var list query.Logs
	if err := o.ask("/v1/telemetry/logs?trace="+o.Trace, &list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range list.Logs {
		got = append(got, fmt.Sprintf("%s %s %s %s %s at %g", l.Service, l.Severity, l.Body, l.Attributes.Text("product"), l.Span, l.Time-o.Began))
	}
	want := []string{"orders debug {\"stock\":0}  " + o.Spans["order"] + " at 1201", "orders error no horse is left p-1 " + o.Spans["order"] + " at 1200"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// counts checks that nothing was dropped.
func (o *anOrder) counts(t *testing.T) {
	var h query.Health
	if err := o.ask("/v1/telemetry/health", &h); err != nil {
		t.Fatal(err)
	}
	for signal, n := range map[string]int64{"spans": 6, "logs": 2, "points": 6} { // metrics are sent once more at the end
		s := h.Signals[signal]
		if s.Stored != s.Received || s.Received < n || signal != "points" && s.Received != n || len(s.Dropped) > 0 {
			t.Errorf("%s: %+v, want %d", signal, s, n)
		}
	}
	if len(h.Notes) > 0 {
		t.Errorf("notes: %q", h.Notes)
	}
}

// promtool asks for the metrics with Prometheus' own tool.
func (o *anOrder) promtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("suite promtool: promtool is not installed: run scripts/install-test-deps.sh")
	}
	now := time.Now()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"instant", o.control, `sum by (job) (shop_orders_total)`}, `{job="orders"} => 7 @[`},
		{[]string{"instant", o.control, `shop_orders_total{product="p-2",instance="orders-1"}`}, `=> 4 @[`},
		{[]string{"instant", o.control, `shop_carts`}, `=> -2 @[`},
		{[]string{"instant", o.control, `shop_cache_size_bytes`}, `=> 4096 @[`},
		{[]string{"instant", o.control, `histogram_quantile(0.5, shop_checkout_duration_seconds_bucket)`}, `=> 1 @[`},
		{[]string{"instant", o.control, `histogram_count(shop_payload_bytes)`}, `=> 4 @[`},
		{[]string{"range", "--start=" + unix(now.Add(-time.Minute)), "--end=" + unix(now.Add(time.Second)), "--step=1s", o.control, `shop_carts`}, "-2 @["},
		{[]string{"series", "--match=shop_orders_total", o.control}, `product="p-1"`},
		{[]string{"labels", o.control, "product"}, "p-1\np-2"},
	} {
		out, err := exec.Command(tool, append([]string{"query"}, c.args...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("promtool query %q: %v\n%s\nwant %s", c.args, err, out, c.want)
		}
	}
	res, err := http.Get(o.control + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	check := exec.Command(tool, "check", "metrics")
	check.Stdin = res.Body
	out, err := check.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 3) { // 3: it would have named something otherwise
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// jaeger asks what Jaeger's user interface asked when its requests were recorded, for this
// order. Each answer has the status that was recorded, and all members that it had then.
func (o *anOrder) jaeger(t *testing.T) {
	recorded, err := os.ReadFile(filepath.Join("..", "..", "telemetry", "jaeger", "testdata", "ui.txt"))
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for part := range strings.SplitSeq(strings.TrimSpace(string(recorded)), "\n\n") {
		request, answer, _ := strings.Cut(part, "\n")
		status, body, _ := strings.Cut(answer, " ")
		request = o.now(request)
		method, path, _ := strings.Cut(request, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, o.control+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", o.control) // as a page of its own would
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || strconv.Itoa(res.StatusCode) != status {
			t.Errorf("%s: %s, want %s, %v\n%.300s", request, res.Status, status, err, text)
			continue
		}
		asked++
		want, got := members(t, body), members(t, string(text))
		if lacks := slices.DeleteFunc(slices.Sorted(maps.Keys(want)), func(m string) bool { return got[m] || strings.Contains(m, "kvlistValue") }); len(lacks) > 0 { // JavaScript's SDK has no maps
			t.Errorf("%s lacks %q:\n%.2000s", request, lacks, text)
		}
	}
	if asked < 20 {
		t.Errorf("only %d requests were recorded", asked)
	}
}

// now puts this order's time and ids in the place of those that were recorded.
func (o *anOrder) now(request string) string {
	start, end := time.UnixMilli(int64(o.Began)).Add(-time.Hour).UTC(), time.UnixMilli(int64(o.Began)).Add(time.Hour).UTC()
	return strings.NewReplacer(
		"00000000000000000000000000000001", o.Trace, "00000000000000000000000000000002", o.Trace, "/api/traces/1", "/api/traces/"+o.Trace,
		"1772362800000000", strconv.FormatInt(start.UnixMicro(), 10), "1772366400000000", strconv.FormatInt(end.UnixMicro(), 10),
		"1772366400000", strconv.FormatInt(end.UnixMilli(), 10),
		"2026-03-01T11:00:00", start.Format("2006-01-02T15:04:05"), "2026-03-01T12:00:00", end.Format("2006-01-02T15:04:05"),
	).Replace(request)
}

// members returns the paths of all members of a JSON document, whatever their values.
func members(t *testing.T, text string) map[string]bool {
	t.Helper()
	var doc any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v: %.300s", err, text)
	}
	all := map[string]bool{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				all[at+"."+key] = true
				walk(at+"."+key, value)
			}
		case []any:
			for _, value := range v {
				walk(at+"[]", value)
			}
		}
	}
	walk("", doc)
	return all
}
