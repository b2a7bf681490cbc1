package jwt

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

func TestConfig(t *testing.T) {
	keys := string(set(newPair(t, "k", jose.ES256)))
	for with, field := range map[string]string{
		`{}`:                             "issuer",
		`{"issuer":"https://a.example"}`: "audience",
		`{"issuer":"https://a.example","audience":["a"],"any_audience":true}`:                                                 "any_audience",
		`{"issuer":"http://a.example","audience":["a"]}`:                                                                      "issuer",
		`{"issuer":"a","audience":["a"]}`:                                                                                     "issuer",
		`{"issuer":"a","audience":["a"],"jwks_url":"http://b.example/"}`:                                                      "jwks_url",
		`{"issuer":"a","audience":["a"],"jwks_url":"https://b.example/","jwks_file":"/x"}`:                                    "issuer",
		`{"issuer":"a","audience":["a"],"jwks":{}}`:                                                                           "jwks",
		`{"issuer":"a","audience":["a"],"jwks":{"keys":[]}}`:                                                                  "jwks",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"algorithms":["none"]}`:                                           "algorithms",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"algorithms":["HS256"]}`:                                          "algorithms",
		`{"issuer":"a","audience":["a"],"secret_file":"/x","algorithms":["RS256"]}`:                                           "algorithms",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"refresh":"1s"}`:                                                  "refresh",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"leeway":"1h"}`:                                                   "leeway",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"leeway":30}`:                                                     "leeway",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"tokens":-1}`:                                                     "tokens",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"tell":{"X-Auth-Subject":"sub"}}`:                                 "tell",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"tell":{"x_forwarded_for":"sub"}}`:                                "tell",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"tell":{"Content-Length":"sub"}}`:                                 "tell",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"tell":{"X-A":""}}`:                                               "tell",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"scopes":["a b"]}`:                                                "scopes",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"claims":{"a":[]}}`:                                               "claims",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"from":["header Authorization"]}`:                                 "",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"isuer":"b"}`:                                                     "",
		`{"issuers":[{"issuer":"https://a.example"}]}`:                                                                        "issuers[0].audience",
		`{"audience":["a"],"issuers":[{"issuer":"https://a.example","any_audience":true}]}`:                                   "issuers",
		`{"issuers":[{"issuer":"https://a.example","any_audience":true},{"issuer":"https://a.example","any_audience":true}]}`: "issuers[1].issuer",
		`{"issuer":"a","audience":["a"],"jwks_file":"/x/none"}`:                                                               "jwks_file",
		`{"issuer":"a","audience":["a"],"secret_file":"/x/none"}`:                                                             "secret_file",
		`{"issuer":"a","audience":["a"],"jwks":` + keys + `,"denied":"/x/none"}`:                                              "denied",
		`{"issuer":"a","audience":["a"],"jwks_url":"http://b/","service":"b"}`:                                                "service",
	} {
		_, err := Make(context.Background(), env(), json.RawMessage(with))
		if e := problem.From(err); err == nil || e.Code != problem.InvalidArgument || len(e.Details) == 0 || e.Details[0].Field != field {
			t.Errorf("%.120s: %v %+v, want %q", with, err, e, field)
		}
	}
}

// TestACheckAsksNobody but reads files: muster doctor tells on this machine what an edge would
// not start with.
func TestACheckAsksNobody(t *testing.T) {
	e := env()
	e.Check, e.HTTP = true, &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("asked %s", r.URL)
		return nil, os.ErrNotExist
	})}
	for with, field := range map[string]string{
		`{"issuer":"https://a.example","audience":["a"],"denied":"/x/none"}`: "denied", `{"issuer":"a","audience":["a"],"jwks_file":"/x/none"}`: "jwks_file",
		`{"issuer":"a","audience":["a"],"secret_file":"/x/none"}`: "secret_file", `{"issuer":"a","audience":["a"],"jwks_url":"http://b/","service":"b"}`: "",
	} {
		f, err := Make(t.Context(), e, json.RawMessage(with))
		if err != nil || field != "" {
			if p := problem.From(err); err == nil || len(p.Details) != 1 || p.Details[0].Field != field {
				t.Errorf("%s: %v", with, err)
			}
			continue
		}
		if err := f.(*Filter).Close(); err != nil {
			t.Error(err)
		}
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAServiceOfTheFleetIssuesTokens asks by the client that the edge gives.
func TestAServiceOfTheFleetIssuesTokens(t *testing.T) {
	p := newPair(t, "k", jose.ES256)
	i := newIDP(t, p)
	e := env()
	e.HTTP = nil
	e.Service = func(name string) *http.Client {
		return &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
			if name != "accounts" || r.URL.Host != "accounts" {
				t.Errorf("%s asked %s", name, r.URL)
			}
			r.URL.Host = strings.TrimPrefix(i.URL, "http://")
			return http.DefaultTransport.RoundTrip(r)
		})}
	}
	e.Callable = filter.Among([]string{"account"})
	with := json.RawMessage(`{"issuer":"` + at + `","audience":["shop"],"service":"accounts","jwks_url":"http://accounts/keys"}`)
	_, err := Make(t.Context(), e, with)
	if found := problem.From(err); err == nil || len(found.Details) != 1 || found.Details[0] != (problem.Detail{Field: "service", Reason: `there is no service "accounts"; did you mean "account"?`}) {
		t.Errorf("a service that is not there: %v", err)
	}
	e.Callable = filter.Among([]string{"accounts"})
	f, err := Make(t.Context(), e, with)
	if err != nil {
		t.Fatal(err)
	}
	defer f.(*Filter).Close()
	check(t, f.(*Filter), p.token(t, at, nil), "")
}

func TestAJWKSFileIsFollowed(t *testing.T) {
	a, b := newPair(t, "a", jose.ES256), newPair(t, "b", jose.ES256)
	path := filepath.Join(t.TempDir(), "keys.json")
	write := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(set(a))
	f := newFilter(t, Config{Issuer: Issuer{Name: at, Audience: []string{"shop"}, JWKSFile: path}})
	old, fresh := a.token(t, at, nil), b.token(t, at, nil)
	check(t, f, old, "")
	check(t, f, fresh, problem.Unauthenticated)
	write(set(b))
	within(t, func() bool { _, err := ask(f, fresh); return err == nil })
	check(t, f, old, problem.Unauthenticated)
}

func FuzzConfig(f *testing.F) {
	f.Add(`{"issuer":"https://a.example","audience":["a"]}`)
	f.Add(`{"issuers":[{"issuer":"a","jwks":{"keys":[]}}],"tell":{"X-A":"b"},"from":["cookie a"],"leeway":"1s"}`)
	f.Fuzz(func(t *testing.T, with string) {
		if _, err := read(json.RawMessage(with)); err != nil && problem.CodeOf(err) != problem.InvalidArgument {
			t.Fatalf("%s: %v", with, err)
		}
	})
}

func FuzzDenied(f *testing.F) {
	f.Add([]byte("{\"jti\":\"a\"}\n{\"sub\":\"b\",\"before\":\"2026-11-23T00:00:00Z\"}\n\n{\"sid\":\"c\",\"iss\":\"d\"}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		var d denied
		if err := d.setFile(content); err != nil {
			if d.list.Load() != nil {
				t.Fatal("a bad list is in use")
			}
			return
		}
		for w, before := range d.list.Load().before {
			v := &verdict{issued: before.Add(-time.Second)}
			v.subject.Issuer = w.issuer
			*map[string]*string{"jti": &v.id, "sub": &v.sub, "sid": &v.session}[w.kind] = w.name
			if !d.denies(v) {
				t.Fatalf("%+v is not denied", w)
			}
		}
	})
}

func Example() {
	secret := filepath.Join(os.TempDir(), fmt.Sprintf("muster-jwt-%d", os.Getpid()))
	key := []byte("0123456789abcdef0123456789abcdef")
	_ = os.WriteFile(secret, key, 0o600)
	defer os.Remove(secret)

	f, err := New(context.Background(), env(), Config{Issuer: Issuer{Name: "shop", Audience: []string{"orders"}, SecretFile: secret}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	signer, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, nil)
	token, _ := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: "shop", Audience: jwt.Audience{"orders"}, Subject: "alice", Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	}).Serialize()

	r := &filter.Request{Fields: &filter.Header{{Name: "Authorization", Value: "Bearer " + token}}}
	fmt.Println(f.Request(context.Background(), r), r.Fields.Get("X-Auth-Subject"))
	r = &filter.Request{Fields: &filter.Header{}}
	fmt.Println(f.Request(context.Background(), r))
	fmt.Println(r.Reply.Get("WWW-Authenticate"))
	// Output:
	// <nil> alice
	// unauthenticated: a token is needed
	// Bearer realm="login"
}
