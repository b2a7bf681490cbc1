package fields_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/fields"
	"github.com/musterdev/muster/problem"
)

func build(t testing.TB, with string) filter.Answerer {
	t.Helper()
	f, err := fields.Make(t.Context(), filter.Env{}, json.RawMessage(with))
	if err != nil {
		t.Fatal(err)
	}
	return f.(filter.Answerer)
}

type claims map[string]string

func (c claims) Claim(name string) string { return c[name] }

func request() *filter.Request {
	return &filter.Request{
		ID: "r-1", Method: "GET", Host: "a.example", Path: "/v1/x", Query: "q=1", Route: "/v1", Client: netip.MustParseAddr("192.0.2.1"),
		Fields: &filter.Header{
			{Name: "X-Old", Value: "1"},
			{Name: "x-old", Value: "2"},
			{Name: "X-New", Value: "before"},
			{Name: "X-Internal-A", Value: "a"},
			{Name: "x-internal-b", Value: "b"},
			{Name: "X-Keep", Value: "k"},
			{Name: "Traceparent", Value: "t"},
		},
		Subject: filter.Subject{ID: "u1", By: "jwt", Issuer: "https://i", Scopes: []string{"a", "b"}, Claims: claims{"email": "u1@example", "bad": "a\r\nX-Evil: 1"}},
	}
}

func text(h *filter.Header) string {
	var lines []string
	for _, f := range *h {
		lines = append(lines, strings.ToLower(f.Name)+"="+f.Value)
	}
	return strings.Join(lines, " ")
}

func TestFields(t *testing.T) {
	const rest = "x-old=1 x-old=2 x-new=before x-internal-a=a x-internal-b=b x-keep=k traceparent=t"
	for with, want := range map[string]string{
		`{"set":{"X-A":"v"}}`:                                     rest + " x-a=v",
		`{"set":{"X-Keep":"{subject} of {issuer} by {by}"}}`:      strings.Replace(rest, " x-keep=k", "", 1) + " x-keep=u1 of https://i by jwt",
		`{"add":{"X-Keep":"{client} {request_id} {scopes}"}}`:     rest + " x-keep=192.0.2.1 r-1 a b",
		`{"add":{"X-A":"{method} {host}{path}?{query} {route}"}}`: rest + " x-a=GET a.example/v1/x?q=1 /v1",
		`{"set":{"X-A":"{claim:email}, {field:X-Keep} {{x}}"}}`:   rest + " x-a=u1@example, k {x}",
		`{"set":{"X-Keep":"{claim:none}"}}`:                       strings.Replace(rest, " x-keep=k", "", 1),
		`{"set":{"X-Keep":"a{claim:bad}"}}`:                       strings.Replace(rest, " x-keep=k", "", 1),
		`{"add":{"X-Keep":"{claim:none}"}}`:                       rest,
		`{"remove":["x-OLD","X-None"]}`:                           strings.Replace(rest, "x-old=1 x-old=2 ", "", 1),
		`{"remove":["X-Internal-*"]}`:                             strings.Replace(rest, " x-internal-a=a x-internal-b=b", "", 1),
		`{"remove":["t*","x-k*"]}`:                                strings.Replace(rest, " x-keep=k", "", 1),
		`{"rename":{"X-Old":"X-New"}}`:                            "x-internal-a=a x-internal-b=b x-keep=k traceparent=t x-new=1 x-new=2",
		`{"rename":{"X-Keep":"X-K"},"remove":["X-K"]}`:            strings.Replace(rest, " x-keep=k", "", 1),
	} {
		r := request()
		if err := build(t, `{"request":`+with+`}`).Request(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got := text(r.Fields.(*filter.Header)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", with, got, want)
		}
		r, h := request(), request().Fields.(*filter.Header)
		f := build(t, `{"answer":`+with+`}`)
		if f.Answer(r, 200, h); text(h) != want {
			t.Errorf("of an answer, %s:\n got %s\nwant %s", with, text(h), want)
		}
		if err := f.Request(t.Context(), r); err != nil || text(r.Fields.(*filter.Header)) != rest {
			t.Errorf("%s changes the request too", with)
		}
	}
}

func TestWhatIsNotTouched(t *testing.T) {
	for _, name := range []string{
		"Connection", "Transfer-Encoding", "Content-Length", "host", "TE", "Upgrade", "X-Forwarded-For", "X-Auth-Subject", "x_auth_subject",
		"X-Request-Id", "Request-Timeout", "Expect", "bad name", "", "Muster-Caller",
	} {
		for _, change := range []string{`"set":{%q:"x"}`, `"add":{%q:"x"}`, `"remove":[%q]`, `"rename":{%q:"X-A"}`, `"rename":{"X-A":%q}`} {
			with := `{"request":{` + strings.Replace(change, "%q", `"`+name+`"`, 1) + `}}`
			_, err := fields.Make(t.Context(), filter.Env{}, json.RawMessage(with))
			p, ok := errors.AsType[*problem.Error](err)
			if !ok || len(p.Details) != 1 || !strings.HasPrefix(p.Details[0].Field, "request.") {
				t.Errorf("%s: %+v", with, err)
			}
		}
	}
	for with, want := range map[string]string{
		`{}`: "nothing is changed", `{"request":{"set":{"X-A":"{subjekt}"}}}`: "did you mean {subject}", `{"request":{"set":{"X-A":"{"}}}`: "brace",
		`{"request":{"set":{"X-A":"}"}}}`: "brace", `{"request":{"set":{"X-A":"a\nb"}}}`: "no field may have", `{"request":{"set":{"X-A":"{claim:}"}}}`: "needs a name",
		`{"request":{"remove":["*"]}}`: "beginning of names", `{"answer":{"set":{"X-A":"{xyzzy}"}}}`: "is not known",
	} {
		if _, err := fields.Make(t.Context(), filter.Env{}, json.RawMessage(with)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", with, err, want)
		}
	}
}

// Whatever a template and a claim say, no field gets what would end it.
func FuzzTemplate(f *testing.F) {
	f.Add("user {subject} {claim:email} {{", "a\r\nX: 1")
	f.Fuzz(func(t *testing.T, template, claim string) {
		with, _ := json.Marshal(map[string]any{"request": map[string]any{"set": map[string]string{"X-A": template}}})
		made, err := fields.Make(t.Context(), filter.Env{}, with)
		if err != nil {
			return
		}
		r := request()
		r.Subject.Claims = claims{"email": claim}
		if err := made.Request(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if v := r.Fields.Get("X-A"); !filter.ValidValue(v) {
			t.Errorf("%q with %q becomes %q", template, claim, v)
		}
	})
}
