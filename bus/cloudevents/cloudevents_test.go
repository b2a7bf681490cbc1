package cloudevents_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/cloudevents"
	"github.com/musterdev/muster/problem"
)

func post(body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func same(a, b bus.Msg) bool {
	return maps.Equal(a.Attributes(), b.Attributes()) && bytes.Equal(a.Data, b.Data)
}

func whole() bus.Msg {
	return bus.Msg{
		ID: "id-1", Source: "/orders", Topic: "orders.placed", Subject: `100 % "quoted" Ünicode 世界 🎉`, Key: "o1",
		Time: time.Date(2026, 11, 23, 1, 2, 3, 4, time.UTC), NotBefore: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		ContentType: "application/json; charset=utf-8", Schema: "https://example.com/s", Sequence: "7", Causation: "c", Correlation: "d",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=1",
		Extensions: map[string]string{"tenant": "acme %41"}, Data: []byte(`{"a": 1}`),
	}
}

func TestBinaryComesBack(t *testing.T) {
	for _, m := range []bus.Msg{whole(), {ID: "1", Source: "/s", Topic: "a.b"}, {ID: "1", Source: "/s", Topic: "a.b", Data: []byte("\x00\xff"), ContentType: "image/png"}} {
		var got []bus.Msg
		var failed error
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, failed = cloudevents.FromRequest(r) }))
		defer server.Close()
		r, err := cloudevents.NewRequest(t.Context(), server.URL, m)
		if err != nil {
			t.Fatal(err)
		}
		if r.Method != http.MethodPost || r.Header.Get("Ce-Id") != m.ID || r.Header.Get("Ce-Specversion") != "1.0" || r.Header.Get("Content-Type") != m.ContentType {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if failed != nil || len(got) != 1 || !same(got[0], m) {
			t.Errorf("%v, %v\nwas %v", got, failed, m)
		}
	}
}

func TestWhatIsNotSent(t *testing.T) {
	m := whole()
	m.Topic = "nope"
	if _, err := cloudevents.NewRequest(t.Context(), "http://x/", m); !errors.Is(err, bus.ErrInvalid) {
		t.Error(err)
	}
	if _, err := cloudevents.NewRequest(t.Context(), "http://%zz/", whole()); err == nil || !strings.HasPrefix(err.Error(), "cloudevents: ") {
		t.Error(err)
	}
}

// The values are those of the binding's own section 3.1.3.2, and of other senders.
func TestHeadersOfOthers(t *testing.T) {
	for value, want := range map[string]string{
		"Euro%20%E2%82%AC%20%F0%9F%98%80": "Euro € 😀",
		"Euro € 😀":                        "Euro € 😀",
		`"quoted \"text\" \\ here"`:       `quoted "text" \ here`,
		`"%41"`:                           "A",
		"100%":                            "100%",
		"50%zz":                           "50%zz",
		"%e2%82%ac":                       "€",
		"a%20b":                           "a b",
	} {
		m, err := cloudevents.FromRequest(post("", "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "a.b", "Ce-Specversion", "1.0", "Ce-Subject", value))
		if err != nil || m[0].Subject != want {
			t.Errorf("%q: %v, %v, want %q", value, m, err, want)
		}
	}
}

const one = `{"specversion":"1.0","id":"1","source":"/s","type":"a.b"`

func TestStructured(t *testing.T) {
	for body, want := range map[string]bus.Msg{
		one + `}`:                            {},
		one + `,"data":{"x": [1, 2]}}`:       {ContentType: "application/json", Data: []byte(`{"x": [1, 2]}`)},
		one + `,"data":"text"}`:              {ContentType: "application/json", Data: []byte(`"text"`)},
		one + `,"data":null,"subject":null}`: {},
		one + `,"datacontenttype":"text/plain","data":"gr\u00fcn"}`:  {ContentType: "text/plain", Data: []byte("grün")},
		one + `,"datacontenttype":"text/plain","data":5}`:            {ContentType: "text/plain", Data: []byte("5")},
		one + `,"datacontenttype":"application/x+json","data":"s"}`:  {ContentType: "application/x+json", Data: []byte(`"s"`)},
		one + `,"datacontenttype":"image/png","data_base64":"AAH/"}`: {ContentType: "image/png", Data: []byte("\x00\x01\xff")},
		one + `,"partitionkey":"k","n":5,"neg":-1,"yes":true,"time":"2026-01-02T03:04:05Z"}`: {
			Key: "k", Extensions: map[string]string{"n": "5", "neg": "-1", "yes": "true"}, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		},
	} {
		want.ID, want.Source, want.Topic = "1", "/s", "a.b"
		for _, x := range []struct{ media, body string }{{cloudevents.Structured + "; charset=UTF-8", body}, {cloudevents.Batched, "[" + body + "]"}} {
			got, err := cloudevents.FromRequest(post(x.body, "Content-Type", x.media))
			if err != nil || len(got) != 1 || !same(got[0], want) {
				t.Errorf("%s\n%+v, %v\nwant %+v", x.body, got, err, want)
			}
		}
	}
	if got, err := cloudevents.FromRequest(post("[]", "Content-Type", cloudevents.Batched)); err != nil || len(got) != 0 {
		t.Errorf("an empty batch: %v, %v", got, err)
	}
	got, err := cloudevents.FromRequest(post(`[`+one+`}, {"specversion":"1.0","id":"2","source":"/s","type":"a.c"}]`, "Content-Type", cloudevents.Batched))
	if err != nil || len(got) != 2 || got[1].ID != "2" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestWhatIsNoCloudEvent(t *testing.T) {
	binary := func(headers ...string) *http.Request {
		return post("{}", append([]string{"Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "a.b", "Ce-Specversion", "1.0"}, headers...)...)
	}
	without := func(name string) *http.Request {
		r := binary()
		r.Header.Del(name)
		return r
	}
	structured := func(body string) *http.Request { return post(body, "Content-Type", cloudevents.Structured) }
	batched := func(body string) *http.Request { return post(body, "Content-Type", cloudevents.Batched) }
	for name, x := range map[string]struct {
		r      *http.Request
		status int
		field  string
	}{
		"nothing":             {post("{}"), 400, ""},
		"JSON":                {post("{}", "Content-Type", "application/json"), 400, ""},
		"no id":               {without("Ce-Id"), 400, "ce-id"},
		"no source":           {without("Ce-Source"), 400, "ce-source"},
		"no type":             {without("Ce-Type"), 400, "ce-type"},
		"no version":          {without("Ce-Specversion"), 400, "ce-specversion"},
		"twice":               {binary("Ce-Id", "2"), 400, "ce-id"},
		"no topic":            {binary("Ce-Subject", "\xff"), 400, "ce-subject"},
		"unclosed":            {binary("Ce-Subject", `"abc`), 400, "ce-subject"},
		"text after quotes":   {binary("Ce-Subject", `"abc"d"`), 400, "ce-subject"},
		"its content type":    {binary("Ce-Datacontenttype", "text/plain"), 400, "ce-datacontenttype"},
		"no content type":     {binary("Content-Type", "/"), 400, "Content-Type"},
		"bad extension":       {binary("Ce-X-Y", "1"), 400, "ce-x-y"},
		"bad time":            {binary("Ce-Time", "now"), 400, "ce-time"},
		"compressed":          {binary("Content-Encoding", "gzip"), 415, "Content-Encoding"},
		"XML":                 {post("<x/>", "Content-Type", "application/cloudevents+xml"), 415, "Content-Type"},
		"UTF-16":              {post("{}", "Content-Type", cloudevents.Structured+"; charset=utf-16"), 415, "Content-Type"},
		"cut off":             {structured(`{"id":`), 400, "body"},
		"an array":            {structured(`[]`), 400, "body"},
		"null":                {structured(`null`), 400, "body"},
		"no UTF-8":            {structured(one + ",\"subject\":\"a\xff\"}"), 400, "body"},
		"no UTF-8 in a batch": {batched("[" + one + ",\"subject\":\"a\xff\"}]"), 400, "[0]"},
		"a name twice":        {structured(one + `,"id":"2"}`), 400, "id"},
		"data twice":          {structured(one + `,"data":1,"data":2}`), 400, "data"},
		"more after it":       {structured(one + `} {}`), 400, "body"},
		"a number for an id":  {structured(`{"specversion":"1.0","id":1,"source":"/s","type":"a.b"}`), 400, "id"},
		"an object":           {structured(one + `,"x":{}}`), 400, "x"},
		"both data":           {structured(one + `,"data":1,"data_base64":""}`), 400, "data_base64"},
		"no base 64":          {structured(one + `,"data_base64":"%"}`), 400, "data_base64"},
		"base 64 no string":   {structured(one + `,"data_base64":5}`), 400, "data_base64"},
		"an unknown version":  {structured(`{"specversion":"2.0","id":"1","source":"/s","type":"a.b"}`), 400, "specversion"},
		"no batch":            {batched(one + `}`), 400, "body"},
		"a null batch":        {batched(`null`), 400, "body"},
		"the second":          {batched(`[` + one + `},{"specversion":"1.0","id":"2","source":"/s","type":"nope"}]`), 400, "[1].type"},
		"no object":           {batched(`[` + one + `},5]`), 400, "[1]"},
		"too many":            {batched(`[` + strings.Repeat(`0,`, cloudevents.MaxBatch) + `0]`), 413, "body"},
		"a large batch":       {batched(strings.Repeat(" ", cloudevents.MaxBody+1)), 413, "body"},
		"a large event":       {structured(strings.Repeat(" ", 2*bus.MaxData)), 413, "body"},
		"large data":          {structured(one + `,"data":"` + strings.Repeat("x", bus.MaxData) + `"}`), 413, "data"},
		"a large body":        {post(strings.Repeat("x", bus.MaxData+1), "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "a.b", "Ce-Specversion", "1.0"), 413, "body"},
	} {
		for _, known := range []bool{true, false} {
			if !known {
				x.r.ContentLength = -1
				if !strings.Contains(name, "large") {
					continue
				}
				x.r.Body = io.NopCloser(strings.NewReader(strings.Repeat(" ", cloudevents.MaxBody+1)))
			}
			_, err := cloudevents.FromRequest(x.r)
			e, ok := errors.AsType[*problem.Error](err)
			if !ok || e.HTTPStatus() != x.status {
				t.Errorf("%s: %v, want %d", name, err, x.status)
				continue
			}
			if known && x.field != "" && (len(e.Details) != 1 || e.Details[0].Field != x.field) {
				t.Errorf("%s: %v, want one about %s", name, err, x.field)
			}
		}
	}
}

func TestABodyThatFails(t *testing.T) {
	r := post("", "Content-Type", cloudevents.Structured)
	r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("{"), failing{})), -1
	if _, err := cloudevents.FromRequest(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	r = post("", "Content-Type", cloudevents.Structured)
	r.Body, r.ContentLength = http.MaxBytesReader(nil, io.NopCloser(strings.NewReader("{    }")), 2), -1
	if _, err := cloudevents.FromRequest(r); !errors.Is(err, bus.ErrTooLarge) {
		t.Error(err)
	}
	r.Body = nil
	if _, err := cloudevents.FromRequest(r); !errors.Is(err, bus.ErrInvalid) {
		t.Error(err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func FuzzFromRequest(f *testing.F) {
	f.Add("", "1", "/s", "a.b", "%41\"x\"", "{}")
	f.Add(cloudevents.Structured, "", "", "", "", one+`,"data":{"x":"\ud800"},"data_base64":null,"x":1e9}`)
	f.Add(cloudevents.Batched, "", "", "", "", "["+one+`,"subject":"`+"\xff"+`"}]`)
	f.Add("text/plain", "1", "/s", "a.b", `"`, "x")
	f.Fuzz(func(t *testing.T, contentType, id, source, topic, subject, body string) {
		r := post(body)
		for name, value := range map[string]string{"Content-Type": contentType, "Ce-Id": id, "Ce-Source": source, "Ce-Type": topic, "Ce-Subject": subject} {
			if value != "" {
				r.Header[name] = []string{value}
			}
		}
		if id != "" {
			r.Header.Set("Ce-Specversion", "1.0")
		}
		msgs, err := cloudevents.FromRequest(r)
		if err != nil {
			if _, ok := errors.AsType[*problem.Error](err); !ok {
				t.Fatalf("%v is no problem", err)
			}
			return
		}
		for _, m := range msgs {
			again, err := cloudevents.NewRequest(t.Context(), "http://x/", m)
			if err != nil {
				t.Fatalf("what was read cannot be sent: %v", err)
			}
			got, err := cloudevents.FromRequest(again)
			if err != nil || len(got) != 1 || !same(got[0], m) {
				t.Fatalf("%+v, %v\nwas %+v", got, err, m)
			}
		}
	})
}

func ExampleFromRequest() {
	r := httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(`{"order":"o1"}`))
	r.Header.Set("Content-Type", "application/json")
	for name, value := range map[string]string{"id": "1", "source": "/orders", "type": "orders.placed", "specversion": "1.0", "partitionkey": "o1"} {
		r.Header.Set("Ce-"+name, value)
	}
	msgs, err := cloudevents.FromRequest(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(msgs[0].Topic, msgs[0].Key, string(msgs[0].Data))
	// Output: orders.placed o1 {"order":"o1"}
}

func TestABodyThatEndsEarlyIsTheSendersFault(t *testing.T) {
	for _, kind := range []string{"text/plain", cloudevents.Structured} {
		raw := "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: " + kind + "\r\nContent-Length: 99\r\n" +
			"ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /t\r\nce-type: a.b\r\n\r\nshort"
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = cloudevents.FromRequest(r)
		if problem.CodeOf(err) != problem.InvalidArgument || !strings.Contains(err.Error(), "Content-Length") || !strings.Contains(err.Error(), "5 bytes came of 99") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
