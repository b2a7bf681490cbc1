package metrics_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
)

// serve serves a database that has two minutes of some metrics until now.
func serve(t *testing.T, now time.Time) (*metrics.DB, string) {
	t.Helper()
	c := &clock{now.Add(-2 * time.Minute)}
	db := open(t, t.TempDir(), metrics.Config{Now: c.Now, MaxSamples: 5000})
	for i := 0; !c.now.After(now); i++ {
		p := otlptest.Number(c.now, float64(i), "code", 200)
		p.Exemplars = []*metricspb.Exemplar{{TimeUnixNano: otlptest.Nanos(c.now), TraceId: []byte("0123456789abcdef"), Value: &metricspb.Exemplar_AsDouble{AsDouble: 0.25}}}
		if i != 2 {
			p.Exemplars = nil
		}
		zero := 0.0
		send(t, db, "orders", otlptest.Counter("requests", "", p, otlptest.Number(c.now, 0, "code", 500)),
			otlptest.Gauge("odd", "By", otlptest.Number(c.now, 1/zero, "text", "a \"b\"\n<ü>\\")),
			otlptest.Histogram("latency", "s", otlptest.Cumulative, otlptest.Buckets(c.now, float64(i), []float64{0.5}, []uint64{uint64(i), 1})))
		c.now = c.now.Add(15 * time.Second)
	}
	c.now = now
	s := httptest.NewServer(db.Handler())
	t.Cleanup(s.Close)
	return db, s.URL
}

func get(t *testing.T, method, address string, form url.Values) (int, string) {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else {
		address += "?" + form.Encode()
	}
	req, err := http.NewRequest(method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// TestAPI compares answers with those that Prometheus gives.
func TestAPI(t *testing.T) {
	_, base := serve(t, start)
	at := func(extra ...string) url.Values {
		v := url.Values{"time": {"1700000000"}, "start": {"1699999985"}, "end": {"2023-11-14T22:13:20Z"}, "step": {"15s"}}
		for i := 0; i < len(extra); i += 2 {
			v.Set(extra[i], extra[i+1])
		}
		return v
	}
	const series = `{"__name__":"requests_total","code":"200","instance":"orders-1","job":"orders"}`
	const odd = `{"__name__":"odd_bytes","instance":"orders-1","job":"orders","text":"a \"b\"\n\u003cü\u003e\\"}`
	for _, c := range []struct {
		path   string
		form   url.Values
		status int
		want   string
	}{
		{"query", at("query", `requests_total{code="200"}`), 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":` + series + `,"value":[1700000000,"8"]}]}}`},
		{"query", at("query", "1.5"), 200, `{"status":"success","data":{"resultType":"scalar","result":[1700000000,"1.5"]}}`},
		{"query", at("query", `"x"`), 200, `{"status":"success","data":{"resultType":"string","result":[1700000000,"x"]}}`},
		{"query", at("query", "odd_bytes"), 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":` + odd + `,"value":[1700000000,"+Inf"]}]}}`},
		{"query", at("query", "none"), 200, `{"status":"success","data":{"resultType":"vector","result":[]}}`},
		{"query", at("query", `requests_total{code="200"}[20s]`, "time", "1700000000.5"), 200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":` + series + `,"values":[[1699999985,"7"],[1700000000,"8"]]}]}}`},
		{"query", at("query", "sum by(code)(requests_total)", "limit", "1"), 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"code":"200"},"value":[1700000000,"8"]}]},"warnings":["results truncated due to limit"]}`},
		{"query", at("query", "rate(odd_bytes[1m])"), 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"orders-1","job":"orders","text":"a \"b\"\n\u003cü\u003e\\"},"value":[1700000000,"NaN"]}]},"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"odd_bytes\" (1:6)"]}`},
		{"query_range", at("query", `requests_total{code="200"}`), 200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":` + series + `,"values":[[1699999985,"7"],[1700000000,"8"]]}]}}`},
		{"query_exemplars", at("query", "rate(requests_total[1m])", "start", "1699990000"), 200, `{"status":"success","data":[{"seriesLabels":` + series + `,"exemplars":[{"labels":{"trace_id":"30313233343536373839616263646566"},"value":"0.25","timestamp":1699999910}]}]}`},
		{"format_query", at("query", "sum(rate(x[5m]))by(a)"), 200, `{"status":"success","data":"sum by (a) (rate(x[5m]))"}`},
		{"labels", at(), 200, `{"status":"success","data":["__name__","code","instance","job","le","text"]}`},
		{"labels", at("match[]", "odd_bytes"), 200, `{"status":"success","data":["__name__","instance","job","text"]}`},
		{"label/code/values", at(), 200, `{"status":"success","data":["200","500"]}`},
		{"label/code/values", at("limit", "1"), 200, `{"status":"success","data":["200"],"warnings":["results truncated due to limit"]}`},
		{"label/none/values", at(), 200, `{"status":"success","data":[]}`},
		{"label/U__code/values", at(), 200, `{"status":"success","data":["200","500"]}`},
		{"label/__name__/values", at("match[]", `{le="0.5"}`), 200, `{"status":"success","data":["latency_seconds_bucket"]}`},
		{"series", at("match[]", `requests_total{code="200"}`), 200, `{"status":"success","data":[` + series + `]}`},
		{"series", at("match[]", `none`), 200, `{"status":"success","data":[]}`},
		{"metadata", at("metric", "requests_total"), 200, `{"status":"success","data":{"requests_total":[{"type":"counter","help":"","unit":""}]}}`},
		{"metadata", at("metric", "none"), 200, `{"status":"success","data":{}}`},

		{"query", at("query", "sum("), 400, `{"error":"invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis","errorType":"bad_data","status":"error"}`},
		{"query", at("query", "1", "time", "noon"), 400, `{"error":"invalid parameter \"time\": cannot parse \"noon\" to a valid timestamp","errorType":"bad_data","status":"error"}`},
		{"query", at("query", "1", "timeout", "-1"), 400, `{"error":"invalid parameter \"timeout\": timeout must be positive, got -1s","errorType":"bad_data","status":"error"}`},
		{"query", at("query", "1", "limit", "x"), 400, `{"error":"invalid parameter \"limit\": cannot parse \"x\" to a valid limit","errorType":"bad_data","status":"error"}`},
		{"query", at("query", `{__name__=~".+"}[10h:10ms]`), 422, `{"error":"query processing would load too many samples into memory in query execution","errorType":"execution","status":"error"}`},
		{"query", at("query", `requests_total + on(job) requests_total`), 422, ``},
		{"query_range", at("query", "1", "step", ""), 400, `{"error":"invalid parameter \"step\": cannot parse \"\" to a valid duration","errorType":"bad_data","status":"error"}`},
		{"query_range", at("query", "1", "step", "0"), 400, `{"error":"invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer","errorType":"bad_data","status":"error"}`},
		{"query_range", at("query", "1", "start", "0", "step", "1"), 400, `{"error":"exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)","errorType":"bad_data","status":"error"}`},
		{"query_range", at("query", "1", "start", "1700000001"), 400, `{"error":"invalid parameter \"end\": end timestamp must not be before start time","errorType":"bad_data","status":"error"}`},
		{"series", at(), 400, `{"error":"no match[] parameter provided","errorType":"bad_data","status":"error"}`},
		{"series", at("match[]", `{a=~".*"}`), 400, ``},
		{"rules", at(), 404, ``},
	} {
		methods := []string{http.MethodGet}
		if regexp.MustCompile(`^(query|series|labels|format)`).MatchString(c.path) {
			methods = append(methods, http.MethodPost)
		}
		for _, method := range methods {
			status, got := get(t, method, base+"/api/v1/"+c.path, c.form)
			if status != c.status || c.want != "" && got != c.want || !json.Valid([]byte(got)) {
				t.Errorf("%s %s %v: %d\n%s\nwant %d\n%s", method, c.path, c.form, status, got, c.status, c.want)
			}
		}
	}
}

// TestAPIOfStatus looks at what differs from run to run.
func TestAPIOfStatus(t *testing.T) {
	_, base := serve(t, start)
	var info struct {
		Status string
		Data   struct{ Version, GoVersion string }
	}
	_, got := get(t, http.MethodGet, base+"/api/v1/status/buildinfo", nil)
	if err := json.Unmarshal([]byte(got), &info); err != nil || info.Status != "success" || !strings.HasPrefix(info.Data.Version, "3.") || info.Data.GoVersion == "" {
		t.Errorf("build information: %s", got)
	}
	_, got = get(t, http.MethodGet, base+"/api/v1/status/tsdb", url.Values{"limit": {"1"}})
	for _, want := range []string{`"numSeries":7`, `"chunkCount":7`, `"seriesCountByMetricName":[{"name":"`, `"labelValueCountByLabelName":[{"name":"__name__"`, `"minTime":1699999880000`} {
		if !strings.Contains(got, want) {
			t.Errorf("status: %s\nis not in\n%s", want, got)
		}
	}
}

// TestPromtool asks with Prometheus' own tool.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not there: it is in Debian's package prometheus")
	}
	now := time.Now().Truncate(time.Second)
	_, base := serve(t, now)
	ago := now.Add(-time.Minute).Format(time.RFC3339)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"instant", base, `sum(requests_total) by (code)`}, `{code="200"} => 8 @`},
		{[]string{"range", "--start=" + ago, "--end=" + now.Format(time.RFC3339), "--step=30s", base, `requests_total{code="200"}`}, "8 @["},
		{[]string{"series", "--match=requests_total", base}, `requests_total{code="500", instance="orders-1", job="orders"}`},
		{[]string{"labels", base, "code"}, "200\n500"},
	} {
		out, err := exec.Command(promtool, append([]string{"query"}, c.args...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) && !strings.Contains(string(out), strings.ReplaceAll(c.want, `requests_total{`, `{__name__="requests_total", `)) {
			t.Errorf("promtool query %q: %v\n%s\nwant %s", c.args, err, out, c.want)
		}
	}
	_, text := get(t, http.MethodGet, base+"/metrics", nil)
	file := t.TempDir() + "/metrics"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = in
	if out, err := check.CombinedOutput(); strings.Contains(string(out), "error") {
		t.Errorf("promtool check metrics: %v\n%s\n%s", err, out, text)
	}
}
