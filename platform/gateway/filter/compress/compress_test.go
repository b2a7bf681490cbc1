package compress_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/compress"
	"github.com/musterdev/muster/problem"
)

var long = strings.Repeat("what is said again and again shrinks ", 100)

// serve returns the answer of a handler behind the filter, as it is on the wire.
func serve(t *testing.T, with, accept, method string, h http.HandlerFunc) *http.Response {
	t.Helper()
	f, err := compress.Make(t.Context(), filter.Env{}, json.RawMessage(with))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Request(t.Context(), &filter.Request{}); err != nil {
		t.Fatal(err)
	}
	wrapped, ok := f.(filter.Middleware)
	if !ok {
		t.Fatal("it is no middleware")
	}
	server := httptest.NewServer(wrapped.Wrap(h))
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", accept)
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func unpacked(t *testing.T, res *http.Response) (string, error) {
	t.Helper()
	var from io.Reader = res.Body
	switch res.Header.Get("Content-Encoding") {
	case "gzip":
		z, err := gzip.NewReader(res.Body)
		if err != nil {
			return "", err
		}
		from = z
	case "zstd":
		z, err := zstd.NewReader(res.Body)
		if err != nil {
			return "", err
		}
		t.Cleanup(z.Close)
		from = z
	}
	body, err := io.ReadAll(from)
	return string(body), err
}

func TestWhatIsPacked(t *testing.T) {
	for name, c := range map[string]struct {
		with, accept string
		header       http.Header
		status       int
		body         string
		coding       string
		etag         string
		varies       bool
	}{
		"gzip":                  {accept: "gzip", body: long, coding: "gzip", varies: true},
		"zstd before gzip":      {accept: "gzip, zstd", body: long, coding: "zstd", varies: true},
		"gzip only":             {with: `{"gzip_only":true}`, accept: "gzip, zstd", body: long, coding: "gzip", varies: true},
		"the client takes none": {accept: "", body: long, varies: true, header: http.Header{"Etag": {`"a"`}}, etag: `"a"`},
		"refused by the client": {accept: "gzip;q=0, zstd;q=0", body: long, varies: true},
		"short":                 {accept: "gzip", body: "short", varies: true},
		"short, but told":       {with: `{"min_size":10}`, accept: "gzip", body: strings.Repeat("a", 40), coding: "gzip", varies: true},
		"a strong tag":          {accept: "gzip", header: http.Header{"Etag": {`"a"`}}, body: long, coding: "gzip", etag: `W/"a"`, varies: true},
		"a weak tag":            {accept: "gzip", header: http.Header{"Etag": {`W/"a"`}}, body: long, coding: "gzip", etag: `W/"a"`, varies: true},
		"packed already":        {accept: "gzip", header: http.Header{"Content-Encoding": {"br"}}, body: long, coding: "br"},
		"a picture":             {accept: "gzip", header: http.Header{"Content-Type": {"image/png"}}, body: long},
		"no type":               {accept: "gzip", header: http.Header{"Content-Type": {""}}, body: long},
		"JSON with parameters":  {accept: "gzip", header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body: long, coding: "gzip", varies: true},
		"not to be touched":     {accept: "gzip", header: http.Header{"Cache-Control": {"public, No-Transform"}}, body: long},
		"a part":                {accept: "gzip", header: http.Header{"Content-Range": {"bytes 0-1/2"}}, status: http.StatusPartialContent, body: long},
		"other types":           {with: `{"types":["image/*"]}`, accept: "gzip", header: http.Header{"Content-Type": {"image/bmp"}}, body: long, coding: "gzip", varies: true},
		"not among them":        {with: `{"types":["image/*"]}`, accept: "gzip", body: long},
		"an error":              {accept: "gzip", status: http.StatusBadGateway, body: long, coding: "gzip", varies: true},
		"nothing":               {accept: "gzip", status: http.StatusNoContent, varies: true},
		"with jitter":           {with: `{"jitter":64}`, accept: "gzip", body: long, coding: "gzip", varies: true},
		"varies already":        {accept: "gzip", header: http.Header{"Vary": {"Origin, accept-encoding"}}, body: long, coding: "gzip", varies: true},
	} {
		t.Run(name, func(t *testing.T) {
			res := serve(t, c.with, c.accept, http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Del("Vary") // as an edge does that sets the instance's
				maps.Copy(w.Header(), c.header)
				if c.status != 0 {
					w.WriteHeader(c.status)
				}
				if c.status != http.StatusNoContent {
					_, _ = io.WriteString(w, c.body)
				}
			})
			if got := res.Header.Get("Content-Encoding"); got != c.coding {
				t.Errorf("packed by %q, want %q", got, c.coding)
			}
			if got := res.Header.Get("Etag"); got != c.etag {
				t.Errorf("the tag %q, want %q", got, c.etag)
			}
			vary := strings.Count(strings.ToLower(strings.Join(res.Header.Values("Vary"), ",")), "accept-encoding")
			if want := map[bool]int{true: 1}[c.varies]; vary != want {
				t.Errorf("Vary: %q", res.Header.Values("Vary"))
			}
			if c.status != 0 && res.StatusCode != c.status {
				t.Errorf("status %d", res.StatusCode)
			}
			if c.coding == "br" {
				return
			}
			if body, err := unpacked(t, res); err != nil || body != c.body {
				t.Errorf("unpacked %d bytes (%v), want %d", len(body), err, len(c.body))
			}
		})
	}
}

// Events and what is flushed reach the client while the answer goes on.
func TestStreams(t *testing.T) {
	for kind, coding := range map[string]string{"text/event-stream": "", "application/x-ndjson": "gzip"} {
		t.Run(kind, func(t *testing.T) {
			seen := make(chan struct{})
			res := serve(t, "", "gzip", http.MethodGet, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", kind)
				control := http.NewResponseController(w)
				_, _ = io.WriteString(w, "one\n")
				if err := control.Flush(); err != nil {
					t.Error(err)
				}
				select {
				case <-seen:
				case <-r.Context().Done():
				}
				_, _ = io.WriteString(w, "two\n")
			})
			var from io.Reader = res.Body
			if got := res.Header.Get("Content-Encoding"); got != coding {
				t.Fatalf("packed by %q, want %q", got, coding)
			}
			if coding != "" {
				z, err := gzip.NewReader(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				from = z
			}
			first := make([]byte, 4)
			if _, err := io.ReadFull(from, first); err != nil || string(first) != "one\n" {
				t.Fatalf("%q, %v", first, err)
			}
			close(seen)
			if rest, err := io.ReadAll(from); err != nil || string(rest) != "two\n" {
				t.Errorf("%q, %v", rest, err)
			}
		})
	}
}

// An answer that breaks off is never a whole one, packed or not.
func TestBrokenOff(t *testing.T) {
	for _, accept := range []string{"", "gzip"} {
		res := serve(t, "", accept, http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, long)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		if body, err := unpacked(t, res); err == nil {
			t.Errorf("accept %q: a whole answer of %d bytes", accept, len(body))
		}
	}
}

func TestHead(t *testing.T) {
	res := serve(t, "", "gzip", http.MethodHead, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "4000")
		w.WriteHeader(http.StatusOK)
	})
	if body, err := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || err != nil || len(body) != 0 {
		t.Errorf("%d, %q, %v", res.StatusCode, body, err)
	}
}

func TestBadConfig(t *testing.T) {
	for with, field := range map[string]string{
		`{"min_size":-1}`: "min_size", `{"level":10}`: "level", `{"level":-1}`: "level", `{"jitter":2000}`: "jitter", `{"types":["*/*"]}`: "types",
		`{"types":["Text/html"]}`: "types", `{"types":["html"]}`: "types", `{"level":"fast"}`: "level",
	} {
		_, err := compress.Make(t.Context(), filter.Env{}, json.RawMessage(with))
		var e *problem.Error
		if !errors.As(err, &e) || len(e.Details) != 1 || e.Details[0].Field != field {
			t.Errorf("%s: %v", with, err)
		}
	}
	if _, err := compress.Make(t.Context(), filter.Env{}, json.RawMessage(`{"size":1}`)); err == nil {
		t.Error("an unknown member is taken")
	}
}
