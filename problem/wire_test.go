package problem

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// overHTTP sends err through a real server and returns what the client makes of it.
func overHTTP(t *testing.T, err error) error {
	t.Helper()
	rec := httptest.NewRecorder()
	Write(rec, httptest.NewRequest(http.MethodGet, "/v1/things/7?token=secret", nil), err)
	res := rec.Result()
	defer func() { _ = res.Body.Close() }()
	return FromResponse(res)
}

// random returns an Error with any of its public fields set.
func random(r *rand.Rand) *Error {
	text := func() string {
		letters := []rune("abz019 \"\\<>&\n\t\x00é€😀\u2028%{}")
		out := make([]rune, r.IntN(12))
		for i := range out {
			out[i] = letters[r.IntN(len(letters))]
		}
		return string(out)
	}
	e := New(Codes()[r.IntN(len(Codes()))], "%s", text())
	for range r.IntN(4) {
		e = e.WithField(text(), text())
	}
	for range r.IntN(3) {
		e = e.WithMeta(text(), text())
	}
	if r.IntN(2) == 0 {
		e.RetryAfter = time.Duration(1 + r.Int64N(int64(100*time.Hour)))
	}
	if r.IntN(2) == 0 {
		e.Type, e.Title = "https://example.com/"+text(), text()
	}
	if r.IntN(4) == 0 {
		e.Code, e.Status = Unimplemented, http.StatusMethodNotAllowed
	}
	e.Instance = "/things/" + text()
	e.model = nil // what it was made from stays on this side
	return e
}

func public(err error) Error {
	var e *Error
	if !errors.As(err, &e) {
		return Error{}
	}
	seen := *e
	seen.cause = nil
	return seen
}

func TestBothWiresAreLossless(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for range 1000 {
		want := random(r)
		ways := map[string]error{
			"http":      overHTTP(t, want),
			"grpc":      FromGRPC(ToGRPC(want)),
			"http-grpc": FromGRPC(ToGRPC(overHTTP(t, want))),
			"grpc-http": overHTTP(t, FromGRPC(ToGRPC(want))),
		}
		for way, got := range ways {
			if g := public(got); !reflect.DeepEqual(g, *want) {
				t.Fatalf("seed %d, by %s:\n got %#v\nwant %#v", seed, way, g, *want)
			}
		}
	}
}

func TestWriteFollowsRFC9457(t *testing.T) {
	rec := httptest.NewRecorder()
	rec.Header().Set("ETag", `"old"`)
	rec.Header().Set("Content-Length", "3")
	Write(rec, httptest.NewRequest(http.MethodPost, "/v1/orders%2F7?secret=1", nil),
		Wrap(errSentinel, Conflict, "out of stock").WithField("lines[0].quantity", "only 2 left").
			WithMeta("product", "p7").WithRetryAfter(1500*time.Millisecond))
	if rec.Code != 409 {
		t.Errorf("status %d", rec.Code)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Retry-After": "2", "Cache-Control": "no-store", "ETag": "",
		"X-Content-Type-Options": "nosniff",
	} {
		if got := rec.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	var got map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "about:blank", "title": "Conflict", "status": 409.0, "detail": "out of stock", "instance": "/v1/orders%2F7",
		"code": "conflict", "details": []any{map[string]any{"field": "lines[0].quantity", "reason": "only 2 left"}},
		"meta": map[string]any{"product": "p7"}, "retry_after": "1.5s",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
}

type recording struct {
	http.ResponseWriter
	err error
}

func (r *recording) RecordError(err error) { r.err = err }

type wrapping struct{ http.ResponseWriter }

func (w wrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestWriteHidesCausesAndTellsTheRecorder(t *testing.T) {
	rec := httptest.NewRecorder()
	log := &recording{ResponseWriter: rec}
	Write(wrapping{log}, nil, errSentinel)
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "secret") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if !errors.Is(log.err, errSentinel) {
		t.Errorf("the recorder learned %v", log.err)
	}
}

func TestWriteAnswersEvenANilError(t *testing.T) {
	rec := httptest.NewRecorder()
	Write(rec, nil, nil)
	if rec.Code != 500 {
		t.Errorf("status %d", rec.Code)
	}
}

func TestUnauthenticatedNamesAChallenge(t *testing.T) {
	rec := httptest.NewRecorder()
	Write(rec, nil, New(Unauthenticated, "no token"))
	if got := rec.Header().Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("challenge %q", got)
	}
	rec = httptest.NewRecorder()
	rec.Header().Set("WWW-Authenticate", `Basic realm="x"`)
	Write(rec, nil, New(Unauthenticated, "no token"))
	if got := rec.Header().Get("WWW-Authenticate"); got != `Basic realm="x"` {
		t.Errorf("the caller's challenge became %q", got)
	}
}

func TestWiresAreBoundedAndKeepTheCode(t *testing.T) {
	big := New(Gone, "%s", strings.Repeat("é", 100_000)).WithMeta("k", strings.Repeat("v", 50_000)).WithRetryAfter(time.Second)
	for range 10_000 {
		big.Details = append(big.Details, Detail{Field: "field", Reason: "some reason that takes room"})
	}
	rec := httptest.NewRecorder()
	Write(rec, nil, big)
	if n := rec.Body.Len(); n > maxBodyBytes {
		t.Errorf("body of %d bytes", n)
	}
	for way, err := range map[string]error{"http": overHTTP(t, big), "grpc": FromGRPC(ToGRPC(big))} {
		if got := public(err); got.Code != Gone || got.RetryAfter != time.Second || got.Message == "" {
			t.Errorf("%s: %s, %v, message of %d bytes", way, got.Code, got.RetryAfter, len(got.Message))
		}
	}
	if len(big.Details) != 10_000 {
		t.Error("cutting changed the original")
	}
	some := New(Gone, "m")
	for range 200 {
		some.Details = append(some.Details, Detail{Field: "field", Reason: "some reason that takes room"})
	}
	if got := public(FromGRPC(ToGRPC(some))); len(got.Details) == 0 || len(got.Details) == 200 {
		t.Errorf("%d details kept", len(got.Details))
	}
}

func TestInvalidUTF8StillCrosses(t *testing.T) {
	bad := New(NotFound, "%s", "a\xffb").WithField("f\xff", "r\xff").WithMeta("k\xff", "v\xff")
	bad.Instance = "\xff"
	for way, err := range map[string]error{"http": overHTTP(t, bad), "grpc": FromGRPC(ToGRPC(bad))} {
		if got := public(err); got.Code != NotFound || got.Message != "a\uFFFDb" || len(got.Details) != 1 {
			t.Errorf("%s: %#v", way, got)
		}
	}
}

func TestForeignStatus(t *testing.T) {
	got := public(FromGRPC(status.Error(codes.Internal, "pq: password authentication failed")))
	if got.Code != Internal || strings.Contains(got.Message, "password") {
		t.Errorf("%#v", got)
	}
	got = public(FromGRPC(status.Error(codes.AlreadyExists, "taken")))
	if got.Code != Conflict || got.Message != "taken" {
		t.Errorf("%#v", got)
	}
	back := status.Convert(ToGRPC(FromGRPC(status.Error(codes.AlreadyExists, "taken"))))
	if back.Code() != codes.AlreadyExists || back.Message() != "taken" {
		t.Errorf("passing on changed it to %s", back)
	}
	lie := (&Error{Code: NotFound, Message: "m"}).statusProto()
	lie.Code = int32(codes.Unavailable)
	if got := public(FromGRPC(status.FromProto(lie).Err())); got.Code != Unavailable {
		t.Errorf("a code that contradicts the status was believed: %s", got.Code)
	}
	if err := FromGRPC(errSentinel); err != errSentinel { //nolint:errorlint // the very same
		t.Errorf("an error without a status became %v", err)
	}
	var none *Error
	if err := FromGRPC(none); err == nil {
		t.Error("a nil *Error became no error")
	}
}

func TestContextErrorsMatchAfterTheWire(t *testing.T) {
	for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
		for way, err := range map[string]error{"http": overHTTP(t, want), "grpc": FromGRPC(ToGRPC(want))} {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v does not match %v", way, err, want)
			}
		}
	}
	if errors.Is(New(Unavailable, "x"), context.Canceled) {
		t.Error("matches what it is not")
	}
}

func TestFromResponseReadsNoMoreThanItsBound(t *testing.T) {
	endless := &endlessBody{}
	res := &http.Response{StatusCode: 500, Header: http.Header{"Content-Type": {ContentType}}, Body: io.NopCloser(endless)}
	if err := FromResponse(res); CodeOf(err) != Internal {
		t.Errorf("%v", err)
	}
	if endless.read > 2*maxReadBytes {
		t.Errorf("read %d bytes", endless.read)
	}
}

type endlessBody struct{ read int }

func (b *endlessBody) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	b.read += len(p)
	return len(p), nil
}
