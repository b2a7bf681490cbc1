package problem

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

func answer(status int, contentType, body string, header ...string) *http.Response {
	h := http.Header{}
	h.Set("Content-Type", contentType)
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func TestFromResponseUnderstandsForeignBodies(t *testing.T) {
	const own = ContentType
	for name, tt := range map[string]struct {
		res  *http.Response
		want Error
	}{
		"RFC 9457's example": {
			answer(403, own+"; charset=utf-8", `{"type":"https://example.com/probs/out-of-credit","title":"You do not have enough credit.",
				"detail":"Your current balance is 30, but that costs 50.","instance":"/account/12345/msgs/abc","balance":30,"accounts":["/account/1"]}`),
			Error{
				Code: PermissionDenied, Type: "https://example.com/probs/out-of-credit", Title: "You do not have enough credit.",
				Message: "Your current balance is 30, but that costs 50.", Instance: "/account/12345/msgs/abc",
				Meta: map[string]string{"balance": "30", "accounts": `["/account/1"]`},
			},
		},
		"RFC 9457's errors": {
			answer(422, own, `{"title":"Your request is not valid.","errors":[{"detail":"must be a positive integer","pointer":"#/age"}]}`),
			Error{Code: Unprocessable, Title: "Your request is not valid.", Details: []Detail{{"#/age", "must be a positive integer"}}},
		},
		"RFC 7807's invalid-params": {
			answer(400, own, `{"invalid-params":[{"name":"age","reason":"must be positive"}]}`),
			Error{Code: InvalidArgument, Details: []Detail{{"age", "must be positive"}}},
		},
		"errors by field": {
			answer(400, own, `{"status":400,"errors":{"name":["is required","is short"],"age":["is odd"]}}`),
			Error{Code: InvalidArgument, Details: []Detail{{"age", "is odd"}, {"name", "is required"}, {"name", "is short"}}},
		},
		"members of wrong types are ignored": {
			answer(404, own, `{"type":7,"title":["x"],"detail":{},"code":"not_found","details":7}`),
			Error{Code: NotFound, Meta: map[string]string{"details": "7"}},
		},
		"a code that contradicts the status": {
			answer(503, own, `{"code":"not_found","detail":"d"}`),
			Error{Code: Unavailable, Message: "d", Meta: map[string]string{"code": "not_found"}},
		},
		"a foreign code": {
			answer(400, own, `{"code":"E17"}`),
			Error{Code: InvalidArgument, Meta: map[string]string{"code": "E17"}},
		},
		"a finer status": {answer(405, own, `{"detail":"d"}`), Error{Code: Unimplemented, Status: 405, Message: "d"}},
		"retry in seconds": {
			answer(503, own, `{}`, "Retry-After", "7"),
			Error{Code: Unavailable, RetryAfter: 7 * time.Second},
		},
		"retry at a date": {
			answer(503, own, `{}`, "Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT", "Date", "Fri, 31 Dec 1999 23:59:49 GMT"),
			Error{Code: Unavailable, RetryAfter: 10 * time.Second},
		},
		"retry absurd":    {answer(429, own, `{}`, "Retry-After", "99999999999999"), Error{Code: ResourceExhausted, RetryAfter: maxRetryAfter}},
		"retry negative":  {answer(429, own, `{}`, "Retry-After", "-5"), Error{Code: ResourceExhausted}},
		"not JSON at all": {answer(502, "text/html", `<h1>secret</h1>`), Error{Code: Unknown, Message: "the service called answered 502 Bad Gateway"}},
		"broken JSON":     {answer(500, own, `{"detail":"secret`), Error{Code: Internal, Message: "the service called answered 500 Internal Server Error"}},
		"null":            {answer(500, own, `null`), Error{Code: Internal, Message: "the service called answered 500 Internal Server Error"}},
		"other JSON":      {answer(404, "application/json", `{"error":"secret"}`), Error{Code: NotFound, Message: "the service called answered 404 Not Found"}},
		"nothing":         {answer(499, "", ``), Error{Code: Canceled, Message: "the service called answered 499 Client Closed Request"}},
	} {
		if got := public(FromResponse(tt.res)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n got %#v\nwant %#v", name, got, tt.want)
		}
	}
}

func TestFromResponseOfASuccessIsNil(t *testing.T) {
	for _, status := range []int{101, 200, 204, 304, 399} {
		if err := FromResponse(answer(status, ContentType, `{}`)); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
	if err := FromResponse(nil); err != nil {
		t.Errorf("nil: %v", err)
	}
}

func TestForeignBodyGoesToTheLogWithoutSecretsOfTheURL(t *testing.T) {
	res := answer(500, "text/plain", "stack trace\n"+strings.Repeat("x", 2000))
	res.Request = &http.Request{Method: http.MethodGet, URL: &url.URL{
		Scheme: "http", Host: "orders", Path: "/v1", RawQuery: "token=hidden", User: url.UserPassword("u", "hidden"),
	}}
	text := FromResponse(res).Error()
	if !strings.Contains(text, "GET http://orders/v1") || !strings.Contains(text, "stack trace") {
		t.Errorf("the log does not learn enough: %s", text)
	}
	if strings.Contains(text, "hidden") || len(text) > 1000 {
		t.Errorf("the log learns too much: %s", text)
	}
	res = answer(500, "text/plain", "")
	res.Body = io.NopCloser(io.MultiReader(strings.NewReader("half"), failing{}))
	if err := FromResponse(res); !errors.Is(err, errSentinel) || !strings.Contains(err.Error(), "half") {
		t.Errorf("%v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errSentinel }

func FuzzFromResponse(f *testing.F) {
	f.Add(404, `{"type":"x","errors":[{"detail":"d"}],"code":"not_found","retry_after":"1.5s"}`, "7")
	f.Add(500, `{"errors":{"a":["b"]},"meta":{"a":"b"}}`, "Fri, 31 Dec 1999 23:59:59 GMT")
	f.Add(599, `null`, "-1")
	f.Fuzz(func(t *testing.T, status int, body, retry string) {
		res := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {ContentType}, "Retry-After": {retry}}}
		res.Body = io.NopCloser(bytes.NewReader([]byte(body)))
		err := FromResponse(res)
		if (err == nil) != (status < 400) {
			t.Fatalf("status %d: %v", status, err)
		}
		if err == nil {
			return
		}
		e := public(err)
		if e.Code.closed() != e.Code || e.RetryAfter < 0 {
			t.Fatalf("%#v", e)
		}
		if status < 600 && e.HTTPStatus() != status {
			t.Fatalf("status %d became %d", status, e.HTTPStatus())
		}
		if again := public(FromGRPC(ToGRPC(err))); again.Code != e.Code {
			t.Fatalf("%s became %s over gRPC", e.Code, again.Code)
		}
	})
}
