package idempotency

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

func TestKeyOf(t *testing.T) {
	long := strings.Repeat("k", MaxKey)
	tests := []struct {
		header []string
		key    string
		ok     bool
	}{
		{nil, "", true},
		{[]string{"abc"}, "abc", true},
		{[]string{" abc\t"}, "abc", true},
		{[]string{`"8e03978e-40d5-43dd-bc93-6894a57f9324"`}, "8e03978e-40d5-43dd-bc93-6894a57f9324", true},
		{[]string{`"a\"b\\c"`}, `a"b\c`, true},
		{[]string{`a"b`}, `a"b`, true},
		{[]string{long}, long, true},
		{[]string{`"` + long + `"`}, long, true},
		{[]string{""}, "", false},
		{[]string{`""`}, "", false},
		{[]string{`"`}, "", false},
		{[]string{`"abc`}, "", false},
		{[]string{`"abc\"`}, "", false},
		{[]string{`"a\bc"`}, "", false},
		{[]string{`"abc";x=1`}, "", false},
		{[]string{`"a b"`}, "", false},
		{[]string{"a b"}, "", false},
		{[]string{"schlüssel"}, "", false},
		{[]string{"a\x00"}, "", false},
		{[]string{long + "k"}, "", false},
		{[]string{"a", "b"}, "", false},
		{[]string{"a", "a"}, "", false},
	}
	for _, tc := range tests {
		key, err := keyOf(http.Header{KeyHeader: tc.header})
		if tc.ok && (key != tc.key || err != nil) || !tc.ok && problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("%q gave %q, %v; want %q, %t", tc.header, key, err, tc.key, tc.ok)
		}
	}
}

func FuzzKeyOf(f *testing.F) {
	for _, s := range []string{"abc", `"abc"`, `"a\"b"`, `"`, " x ", "ä"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		key, err := keyOf(http.Header{KeyHeader: {header}})
		if err != nil {
			if problem.CodeOf(err) != problem.InvalidArgument {
				t.Fatal(err)
			}
			return
		}
		if checkKey(key) != nil {
			t.Fatalf("%q gave the key %q", header, key)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, err := keyOf(http.Header{KeyHeader: {quoted}}); again != key || err != nil {
			t.Fatalf("%q, quoted as %q, gave %q, %v", key, quoted, again, err)
		}
	})
}

// send passes a request through Middleware and returns the answer and what the
// handler found in its context.
func send(r *http.Request, next http.HandlerFunc) (*httptest.ResponseRecorder, Request, bool) {
	var req Request
	var has bool
	w := httptest.NewRecorder()
	Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, has = FromContext(r.Context())
		next(w, r)
	})).ServeHTTP(w, r)
	return w, req, has
}

func TestMiddlewareTellsRequestsApart(t *testing.T) {
	post := func(method, target, body, principal string) Request {
		t.Helper()
		r := httptest.NewRequestWithContext(WithPrincipal(t.Context(), principal), method, target, strings.NewReader(body))
		r.Header.Set(KeyHeader, "k")
		w, req, has := send(r, func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			if err != nil || string(got) != body {
				t.Errorf("the handler read %q, %v", got, err)
			}
			w.WriteHeader(http.StatusNoContent)
		})
		if w.Code != http.StatusNoContent || !has || req.Key != "k" || w.Header().Get(ReplayedHeader) != "" {
			t.Fatalf("status %d, request %+v", w.Code, req)
		}
		return req
	}
	first := post("POST", "/orders", `{"a":1}`, "")
	if again := post("POST", "/orders", `{"a":1}`, ""); again != first {
		t.Errorf("the same request twice: %+v and %+v", first, again)
	}
	for name, other := range map[string]Request{
		"body":  post("POST", "/orders", `{"a":2}`, ""),
		"query": post("POST", "/orders?x=1", `{"a":1}`, ""),
	} {
		if other.Scope != first.Scope || other.Fingerprint == first.Fingerprint {
			t.Errorf("another %s must be a mismatch: %+v", name, other)
		}
	}
	scopes := map[string]bool{first.Scope: true}
	for _, other := range []Request{
		post("PUT", "/orders", `{"a":1}`, ""), post("POST", "/orders/1", `{"a":1}`, ""),
		post("POST", "/orders", `{"a":1}`, "alice"), post("POST", "/orders", `{"a":1}`, "bob"),
		post("POST", "/orders", `{"a":1}`, strings.Repeat("x", 300)), post("POST", "/orders", `{"a":1}`, "\xff\x00"),
	} {
		if scopes[other.Scope] || len(other.Scope) > 200 {
			t.Errorf("scope %q is not its own", other.Scope)
		}
		scopes[other.Scope] = true
	}
}

func TestMiddlewareLetsTheRestPass(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "POST"} {
		r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
		if method != "POST" { // which has no key
			r.Header.Set(KeyHeader, "a bad key")
		}
		w, _, has := send(r, func(http.ResponseWriter, *http.Request) {})
		if w.Code != http.StatusOK || has {
			t.Errorf("%s: status %d, key %t", method, w.Code, has)
		}
	}
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errors.New("cut off") }

func TestMiddlewareRefuses(t *testing.T) {
	tests := []struct {
		name   string
		body   io.Reader
		key    string
		status int
	}{
		{"bad key", nil, "a b", http.StatusBadRequest},
		{"large body", bytes.NewReader(make([]byte, MaxBody+1)), "k", http.StatusRequestEntityTooLarge},
		{"broken body", brokenBody{}, "k", http.StatusBadRequest},
	}
	for _, tc := range tests {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", tc.body)
		r.Header.Set(KeyHeader, tc.key)
		w, _, _ := send(r, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: the handler ran", tc.name) })
		if w.Code != tc.status || w.Header().Get("Content-Type") != problem.ContentType {
			t.Errorf("%s: status %d %s, want %d", tc.name, w.Code, w.Header().Get("Content-Type"), tc.status)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", bytes.NewReader(make([]byte, MaxBody)))
	r.Header.Set(KeyHeader, "k")
	if w, _, has := send(r, func(http.ResponseWriter, *http.Request) {}); w.Code != http.StatusOK || !has {
		t.Errorf("a body of just 1 MiB: status %d", w.Code)
	}
}

func TestReplayedIsMarkedBeforeTheHeaderIsSent(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"status": func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) },
		"body":   func(w http.ResponseWriter) { _, _ = io.WriteString(w, "x") },
		"flush":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"old flush": func(w http.ResponseWriter) {
			f, ok := w.(http.Flusher)
			if !ok {
				t.Error("no http.Flusher")
				return
			}
			f.Flush()
		},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", nil)
		r.Header.Set(KeyHeader, "k")
		w, _, _ := send(r, func(w http.ResponseWriter, r *http.Request) {
			callOf(r.Context()).replayed.Store(true)
			answer(w)
		})
		if got := w.Result().Header.Get(ReplayedHeader); got != "true" {
			t.Errorf("%s: %s is %q", name, ReplayedHeader, got)
		}
	}
}

func TestFingerprintKeepsPartsApart(t *testing.T) {
	if fingerprint([]byte("ab"), []byte("c")) == fingerprint([]byte("a"), []byte("bc")) || fingerprint() == fingerprint(nil) {
		t.Error("two requests with one fingerprint")
	}
}

// watched learns what problem.Write answers with, as an access log does.
type watched struct {
	*httptest.ResponseRecorder
	err error
}

func (w *watched) RecordError(err error) { w.err = err }

func TestWhatIsNilIsTold(t *testing.T) {
	fine := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, h := range map[string]http.Handler{
		"the database is nil": Handler(nil, fine), "handler to serve by is nil": Handler(new(sql.DB), nil), "the handler to serve by is nil": Middleware(nil),
	} {
		for _, key := range []string{"", "k"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			if key != "" {
				r.Header.Set(KeyHeader, key)
			}
			w := &watched{ResponseRecorder: httptest.NewRecorder()}
			h.ServeHTTP(w, r)
			if w.Code != http.StatusInternalServerError || w.err == nil || !strings.Contains(w.err.Error(), name) || strings.Contains(w.Body.String(), "nil") {
				t.Errorf("%s: %d %s, to the log: %v", name, w.Code, w.Body, w.err)
			}
		}
	}
	run := func(ctx context.Context, db *sql.DB) error {
		_, err := Run(ctx, db, func(context.Context, tx.Tx) (int, error) { return 1, nil })
		return err
	}
	for _, ctx := range []context.Context{t.Context(), WithRequest(t.Context(), Request{Key: "k"})} {
		_, begun := Begin(ctx, nil, nil)
		_, swept := Sweep(ctx, nil, 0)
		for _, err := range []error{run(ctx, nil), begun, swept, Migrate(ctx, nil)} {
			if !errors.Is(err, errNoDB) {
				t.Errorf("without a database: %v", err)
			}
		}
		if _, err := Run[int](ctx, new(sql.DB), nil); err == nil {
			t.Error("without a function: no error")
		}
	}
}

func TestASentinelMayBeDecorated(t *testing.T) {
	var own *problem.Error
	if !errors.As(ErrInFlight, &own) {
		t.Fatal("ErrInFlight is no problem")
	}
	if e := own.WithMeta("order", "7"); !errors.Is(e, ErrInFlight) || own.Meta != nil {
		t.Errorf("decorated: %v; the sentinel: %v", e, own.Meta)
	}
}

func TestNothingGoesBehindTheRecord(t *testing.T) {
	rec := &recorder{header: http.Header{}}
	var w http.ResponseWriter = rec
	f, ok := w.(http.Flusher)
	if !ok {
		t.Fatal("it is no http.Flusher")
	}
	f.Flush()
	c := http.NewResponseController(w)
	if err := c.Flush(); err != nil || rec.status != 0 {
		t.Errorf("Flush: %v, status %d", err, rec.status)
	}
	_, _, hijacked := c.Hijack()
	for name, err := range map[string]error{"Hijack": hijacked, "EnableFullDuplex": c.EnableFullDuplex()} {
		if !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
