package jwt

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

// pair is a key an issuer signs with.
type pair struct {
	id  string
	alg jose.SignatureAlgorithm
	key crypto.Signer
}

func newPair(t testing.TB, id string, alg jose.SignatureAlgorithm) pair {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.ES512:
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pair{id, alg, key}
}

func (p pair) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: p.key.Public(), KeyID: p.id, Algorithm: string(p.alg), Use: "sig"}
}

func set(pairs ...pair) json.RawMessage {
	var s jose.JSONWebKeySet
	for _, p := range pairs {
		s.Keys = append(s.Keys, p.public())
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return text
}

// sign makes a token with any header and any claims.
func (p pair) sign(t testing.TB, header map[jose.HeaderKey]any, payload []byte) string {
	t.Helper()
	o := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	if p.id != "" {
		o.ExtraHeaders["kid"] = p.id
	}
	maps.Copy(o.ExtraHeaders, header)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: p.alg, Key: p.key}, o)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// says are claims; nil as a value takes one away.
type says map[string]any

// token signs the usual claims with those changed that are given.
func (p pair) token(t testing.TB, issuer string, changed says) string {
	t.Helper()
	now := time.Now().Unix()
	c := says{"iss": issuer, "aud": "shop", "sub": "alice", "jti": "t-1", "iat": now, "exp": now + 3600, "scope": "orders.read"}
	for name, v := range changed {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return p.sign(t, map[jose.HeaderKey]any{"typ": "JWT"}, text)
}

// idp is an issuer that answers over HTTP, as others do.
type idp struct {
	*httptest.Server

	mu      sync.Mutex
	keys    json.RawMessage
	away    bool
	fetched atomic.Int64
}

func newIDP(t testing.TB, pairs ...pair) *idp {
	t.Helper()
	i := &idp{keys: set(pairs...)}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

func (i *idp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.away:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/.well-known/openid-configuration":
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/keys")
	case r.URL.Path == "/keys":
		i.fetched.Add(1)
		_, _ = w.Write(i.keys)
	default:
		http.NotFound(w, r)
	}
}

func (i *idp) publish(pairs ...pair) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = set(pairs...)
}

func (i *idp) goAway(away bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.away = away
}

func env() filter.Env {
	return filter.Env{Name: "login", Log: slog.New(slog.DiscardHandler), HTTP: &http.Client{Timeout: 5 * time.Second}}
}

func newFilter(t testing.TB, cfg Config) *Filter {
	t.Helper()
	f, err := New(context.Background(), env(), cfg)
	if err != nil {
		t.Fatalf("New: %v %+v", err, problem.From(err).Details)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// inline is a filter that knows the keys of one issuer, https://login.example.
func inline(t testing.TB, change func(c *Config), pairs ...pair) *Filter {
	t.Helper()
	c := Config{Issuer: Issuer{Name: at, Audience: []string{"shop"}, JWKS: set(pairs...)}}
	if change != nil {
		change(&c)
	}
	return newFilter(t, c)
}

const at = "https://login.example"

// request returns a request with header fields, name and value in turn.
func request(fields ...string) *filter.Request {
	h := &filter.Header{}
	for i := 0; i+1 < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return &filter.Request{Method: "GET", Path: "/v1/orders", Fields: h}
}

func ask(f *Filter, token string) (*filter.Request, error) {
	r := request("Authorization", "Bearer "+token)
	return r, f.Request(context.Background(), r)
}

// check fails unless a token is answered so: code is "" when it is let in.
func check(t *testing.T, f *Filter, token string, code problem.Code) *filter.Request {
	t.Helper()
	r, err := ask(f, token)
	if got := problem.CodeOf(err); err != nil && got != code || err == nil && code != "" {
		t.Fatalf("answered %v (%v), want %q", err, got, code)
	}
	if err != nil && r.Subject.ID != "" {
		t.Fatalf("refused, and still named %q", r.Subject.ID)
	}
	return r
}
