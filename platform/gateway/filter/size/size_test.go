package size_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/size"
	"github.com/musterdev/muster/problem"
)

func build(t testing.TB, with string) filter.Filter {
	t.Helper()
	f, err := size.Make(t.Context(), filter.Env{}, json.RawMessage(with))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSize(t *testing.T) {
	header := func(n, long int) *filter.Header {
		h := filter.Header{}
		for range n {
			h.Add("X-A", strings.Repeat("v", long))
		}
		return &h
	}
	for _, c := range []struct {
		with   string
		r      filter.Request
		status int   // 0: let in
		most   int64 // MaxBody afterwards
	}{
		{`{"body":10}`, filter.Request{Length: 10}, 0, 10},
		{`{"body":10}`, filter.Request{Length: 11}, 413, 0},
		{`{"body":"1KiB"}`, filter.Request{Length: 1025}, 413, 0},
		{`{"body":10}`, filter.Request{Length: -1}, 0, 10},
		{`{"body":10}`, filter.Request{Length: -1, MaxBody: 5}, 0, 5},
		{`{"body":10}`, filter.Request{Length: -1, MaxBody: 50}, 0, 10},
		{`{"uri":10}`, filter.Request{Path: "/12345", Query: "1234"}, 0, 0},
		{`{"uri":10}`, filter.Request{Path: "/12345", Query: "12345"}, 414, 0},
		{`{"fields":3}`, filter.Request{Fields: header(3, 1)}, 0, 0},
		{`{"fields":3}`, filter.Request{Fields: header(4, 1)}, 431, 0},
		{`{"field":8}`, filter.Request{Fields: header(1, 8)}, 0, 0},
		{`{"field":8}`, filter.Request{Fields: header(1, 9)}, 431, 0},
		{`{"head":20}`, filter.Request{Fields: header(2, 3)}, 0, 0},
		{`{"head":20}`, filter.Request{Fields: header(2, 4)}, 431, 0},
		{`{"head":20}`, filter.Request{Fields: header(1000, 4)}, 431, 0},
	} {
		err := build(t, c.with).Request(t.Context(), &c.r)
		p, refused := errors.AsType[*problem.Error](err)
		switch {
		case refused != (c.status != 0), refused && (p.HTTPStatus() != c.status || p.Code != problem.TooLarge):
			t.Errorf("%s: %v, want %d", c.with, err, c.status)
		case c.r.MaxBody != c.most && !refused:
			t.Errorf("%s: the body is bounded to %d, want %d", c.with, c.r.MaxBody, c.most)
		}
	}
}

// How slowly a body may come is what the last filter says that says anything of it.
func TestLeastRate(t *testing.T) {
	r := filter.Request{}
	for _, c := range []struct {
		with string
		want int64
	}{{`{"body":10}`, 0}, {`{"least_rate":1000}`, 1000}, {`{"body":10}`, 1000}, {`{"least_rate":-1}`, -1}} {
		if err := build(t, c.with).Request(t.Context(), &r); err != nil || r.LeastRate != c.want {
			t.Errorf("%s: %d, want %d, %v", c.with, r.LeastRate, c.want, err)
		}
	}
}

func TestConfig(t *testing.T) {
	for with, want := range map[string]string{
		`{}`: "nothing is bounded", `{"body":"ten"}`: "number of bytes", `{"body":-1}`: "number of bytes", `{"fields":-1}`: "0 or more", `{"least_rate":-2}`: "-1 for none", `{"bodi":1}`: "unknown field",
	} {
		if _, err := size.Make(t.Context(), filter.Env{}, json.RawMessage(with)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", with, err, want)
		}
	}
}

func FuzzBytes(f *testing.F) {
	for _, text := range []string{`4096`, `"512KiB"`, `"10 MiB"`, `"1GB"`, `"9223372036854775807B"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var b, again filter.Bytes
		if json.Unmarshal(text, &b) != nil {
			return
		}
		written, err := json.Marshal(b)
		if err != nil || json.Unmarshal(written, &again) != nil || again != b || b < 0 {
			t.Errorf("%s is %d and written as %s: %v", text, int64(b), written, err)
		}
	})
}

func TestNothingIsAllocated(t *testing.T) {
	f := build(t, `{"body":"1MiB","uri":4096}`)
	h := &filter.Header{{Name: "Host", Value: "a"}, {Name: "Accept", Value: "*/*"}}
	r := &filter.Request{Path: "/", Fields: h}
	if n := testing.AllocsPerRun(100, func() { _ = f.Request(t.Context(), r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
