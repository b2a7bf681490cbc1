package openapi_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
)

const doubtful = `{"document":{"openapi":"3.1.0","paths":{"/a":{
	"get":{"parameters":[
		{"name":"ids","in":"query","explode":false,"schema":{"type":"array","items":{"type":"integer","maximum":10}}},
		{"name":"f","in":"query","style":"deepObject","schema":{"type":"object","properties":{"n":{"type":"integer","maximum":10},"l":{"type":"array","items":{"type":"integer"}}}}},
		{"name":"o","in":"query","schema":{"type":"object","properties":{"p":{"type":"integer","maximum":10}}}},
		{"name":"oo","in":"query","explode":false,"schema":{"type":"object","properties":{"p":{"type":"integer","maximum":10}}}},
		{"name":"j","in":"query","content":{"application/json":{"schema":{"type":"object","properties":{"p":{"type":"integer","maximum":10}}}}}},
		{"name":"c","in":"cookie","schema":{"type":"string","pattern":"^[a-z]+$"}},
		{"name":"co","in":"cookie","schema":{"type":"object","properties":{"m":{"type":"integer"}}}},
		{"name":"X-O","in":"header","explode":true,"schema":{"type":"object","properties":{"p":{"type":"integer","maximum":10}}}}]},
	"post":{"requestBody":{"content":{"text/plain":{},"application/json":{"schema":{"type":"object","properties":{"price":{"type":"number","maximum":10}}}}}}}}}}}`

// What two programs read differently must not pass: the service may see what the contract
// was not asked about.
func TestWhatIsReadInTwoWaysIsRefused(t *testing.T) {
	h := wrap(t, filter.Env{}, doubtful, func(http.ResponseWriter, *http.Request) {})
	for _, c := range []struct {
		query, body string
		header      http.Header
		status      int
	}{
		{query: "ids=1,2", status: 200},
		{query: "ids=1&ids=200", status: 400},
		{query: "f[n]=5&f[l]=1&f[l]=2", status: 200},
		{query: "f[n]=50&f[n]=60", status: 400},
		{query: "p=5", status: 200},
		{query: "p=50&p=60", status: 400},
		{query: "oo=p,5", status: 200},
		{query: "oo=p,50,p,5", status: 400},
		{query: "oo=p,5,q", status: 400},
		{query: `j={"p":5}`, status: 200},
		{query: `j={"p":50,"p":5}`, status: 400},
		{header: http.Header{"Cookie": {"c=abc; m=1"}}, status: 200},
		{header: http.Header{"Cookie": {`c="abc"`}}, status: 200},
		{header: http.Header{"Cookie": {`c=ab"c`}}, status: 400},
		{header: http.Header{"Cookie": {`c=ab\c`}}, status: 400},
		{header: http.Header{"Cookie": {"c=ab\xc3\xa9"}}, status: 400},
		{header: http.Header{"Cookie": {"c=abc", "c=abc"}}, status: 400},
		{header: http.Header{"Cookie": {"m=x"}}, status: 400},
		{header: http.Header{"X-O": {"p=5"}}, status: 200},
		{header: http.Header{"X-O": {"p=50,p=5"}}, status: 400},
		{header: http.Header{"X-Http-Method-Override": {"DELETE"}}, status: 400},
		{body: `{"price":5}`, status: 200},
		{body: `{"price":50,"price":5}`, status: 400},
		{body: `{"price":50,"pric\u0065":5}`, status: 400},
		{body: `{"a":[{"b":1},{"b":1}],"b":1,"c":"b"}`, status: 200},
		{body: `{"a":[{"b":1,"c":{},"b":1}]}`, status: 400},
		{body: `{"price":50}`, header: http.Header{"Content-Type": {"text/plain", "application/json"}}, status: 415},
		{body: `{"price":5}`, header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"", "gzip"}}, status: 415},
		// numbers that cost a second and a gigabyte, or that math/big gives up on
		{body: `{"price":1e999999999}`, status: 400},
		{body: `{"price":1e-999999999}`, status: 400},
		{body: `{"price":1e1000000}`, status: 400},
		{body: `{"price":1` + strings.Repeat("0", 100_000) + `}`, status: 400},
		{body: `{"other":[1E+99999]}`, status: 400},
		{body: `{"price":1e-999}`, status: 200},
	} {
		method := http.MethodGet
		if c.body != "" {
			method = http.MethodPost
		}
		r := httptest.NewRequestWithContext(t.Context(), method, "/a", strings.NewReader(c.body))
		r.URL.RawQuery = c.query
		if c.body == "" {
			r.Body, r.ContentLength = http.NoBody, 0
		}
		r.Header.Set("Content-Type", "application/json")
		maps.Copy(r.Header, c.header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s %.80s %v: %d, want %d: %.300s", c.query, c.body, c.header, w.Code, c.status, w.Body)
		}
	}
}
