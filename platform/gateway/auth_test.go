package gateway_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/snapshot"
)

// TestWhoAsks sends requests through an edge whose filters ask who they are from, and looks at
// what the client and the service get to see.
func TestWhoAsks(t *testing.T) {
	service, _ := instance(t, "a-1", func(w http.ResponseWriter, r *http.Request) {
		r.Header["query"], r.Header["path"] = []string{r.URL.RawQuery}, []string{r.URL.Path}
		_ = json.NewEncoder(w).Encode(map[string]any{"fields": r.Header})
	})
	reg := &registry{}
	reg.View("a").Set([]discovery.Instance{service})
	gatekeeper := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "session=s" {
			http.Redirect(w, r, "https://login.example/?from="+r.Header.Get("X-Forwarded-Uri"), http.StatusFound)
			return
		}
		w.Header().Set("X-User", "carol")
	}))
	defer gatekeeper.Close()
	secret := []byte("0123456789abcdef0123456789abcdef")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	e := run(t, gateway.Config{Resolver: reg})
	var doc snapshot.Document
	if err := json.Unmarshal([]byte(strings.NewReplacer("SECRET", file, "GATE", gatekeeper.URL).Replace(`{
		"filters": {
			"login": {"kind": "jwt", "with": {"issuer": "shop", "audience": ["orders"], "secret_file": "SECRET", "tell": {"X-Email": "email"}, "optional": true, "from": ["bearer", "query token"]}},
			"known": {"kind": "require"},
			"writes": {"kind": "require", "with": {"scopes": ["orders.write"]}},
			"partners": {"kind": "apikey", "with": {"keys": [{"sha256": "d9fb92e3bbe65be1f1aad4a82eef4567f7a1ebe2cd110c8049b9698be7a70c88", "owner": "acme"}]}},
			"session": {"kind": "external", "with": {"url": "GATE/check", "subject": "X-User"}},
			"machines": {"kind": "mtls"}
		},
		"apply": ["login"],
		"routes": [
			{"path": "/open", "service": "a"}, {"path": "/orders", "service": "a", "filters": ["known"]}, {"path": "/write", "service": "a", "filters": ["writes"]},
			{"path": "/keys", "service": "a", "filters": ["partners"]}, {"path": "/web", "service": "a", "filters": ["session"]},
			{"path": "/old", "service": "a", "rewrite": {"path": "/new"}}, {"path": "/machines", "service": "a", "filters": ["machines"]}
		]}`)), &doc); err != nil {
		t.Fatal(err)
	}
	if err := e.admin.SetDocument(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": "shop", "aud": "orders", "sub": "alice", "email": "alice@example", "scope": "orders.read", "exp": time.Now().Add(time.Hour).Unix(),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	second := &http.Transport{Protocols: &http.Protocols{}} // served by the other engine
	second.Protocols.SetUnencryptedHTTP2(true)
	defer second.CloseIdleConnections()
	good, changed := "Bearer "+token, "Bearer "+token[:len(token)-4]+"AAAA"

	for name, c := range map[string]struct {
		path   string
		fields http.Header
		status int
		answer string // that begins so, of the field WWW-Authenticate or Location
		sees   map[string]string
	}{
		"nobody":               {path: "/open", status: 200, sees: map[string]string{"X-Auth-Subject": "", "X-Email": ""}},
		"somebody":             {path: "/open", fields: http.Header{"Authorization": {good}}, status: 200, sees: map[string]string{"X-Auth-Subject": "alice", "X-Email": "alice@example", "X-Auth-By": "jwt", "X-Auth-Issuer": "shop", "Authorization": ""}},
		"a liar":               {path: "/open", fields: http.Header{"X-Auth-Subject": {"root"}, "X_auth_subject": {"root"}, "X-Auth_Scopes": {"all"}, "X_EMAIL": {"root@example"}}, status: 200, sees: map[string]string{"X-Auth-Subject": "", "X_auth_subject": "", "X-Auth_scopes": "", "X_email": ""}},
		"a liar with a token":  {path: "/open", fields: http.Header{"Authorization": {good}, "x-auth-subject": {"root"}, "X_auth_subject": {"root"}}, status: 200, sees: map[string]string{"X-Auth-Subject": "alice", "X_auth_subject": ""}},
		"a changed token":      {path: "/open", fields: http.Header{"Authorization": {changed}}, status: 401, answer: `Bearer realm="login", error="invalid_token"`},
		"two tokens":           {path: "/open", fields: http.Header{"Authorization": {good, good}}, status: 400, answer: `Bearer realm="login", error="invalid_request"`},
		"nobody where known":   {path: "/orders", status: 401, answer: "Bearer"},
		"somebody where known": {path: "/orders", fields: http.Header{"Authorization": {good}}, status: 200, sees: map[string]string{"X-Auth-Subject": "alice"}},
		"without the scope":    {path: "/write", fields: http.Header{"Authorization": {good}}, status: 403, answer: `Bearer error="insufficient_scope", scope="orders.write"`},
		"a key":                {path: "/keys", fields: http.Header{"X-Api-Key": {"key"}}, status: 401, answer: `ApiKey realm="partners"`},
		"the key":              {path: "/keys", fields: http.Header{"X-Api-Key": {"opensesame"}}, status: 200, sees: map[string]string{"X-Auth-Subject": "acme", "X-Auth-By": "key", "X-Api-Key": ""}},
		"the key and a token":  {path: "/keys", fields: http.Header{"X-Api-Key": {"opensesame"}, "Authorization": {good}}, status: 200, sees: map[string]string{"X-Auth-Subject": "acme", "X-Auth-By": "key", "X-Auth-Issuer": "", "X-Auth-Scopes": ""}},
		"in the query":         {path: "/open?a=b&token=" + token, status: 200, sees: map[string]string{"X-Auth-Subject": "alice", "query": "a=b"}},
		"only in the query":    {path: "/open?token=" + token, status: 200, sees: map[string]string{"X-Auth-Subject": "alice", "query": ""}},
		"an empty query":       {path: "/open?", status: 200, sees: map[string]string{"query": ""}},
		"rewritten":            {path: "/old?a=b&token=" + token, status: 200, sees: map[string]string{"X-Auth-Subject": "alice", "query": "a=b", "path": "/new"}},
		"without a session":    {path: "/web?a=b", status: 302, answer: "https://login.example/?from=/web?a=b"},
		"with a session":       {path: "/web", fields: http.Header{"Cookie": {"session=s"}}, status: 200, sees: map[string]string{"X-Auth-Subject": "carol", "X-Auth-By": "external", "Cookie": "session=s"}},
		"without TLS":          {path: "/machines", status: 403},
	} {
		for version, transport := range map[string]http.RoundTripper{"HTTP/1.1": http.DefaultTransport, "HTTP/2": second} {
			t.Run(name+" "+version, func(t *testing.T) {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.url+c.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				maps.Copy(r.Header, c.fields)
				res, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				answer := res.Header.Get("WWW-Authenticate") + res.Header.Get("Location")
				if res.StatusCode != c.status || !strings.HasPrefix(answer, c.answer) || c.answer == "" && answer != "" {
					t.Fatalf("answered %d %q %s, want %d %q", res.StatusCode, answer, body, c.status, c.answer)
				}
				if c.status >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("answered with %s", res.Header.Get("Content-Type"))
				}
				var seen struct{ Fields http.Header }
				if c.sees != nil && json.Unmarshal(body, &seen) != nil {
					t.Fatalf("answered %s", body)
				}
				for field, want := range c.sees {
					if got := strings.Join(seen.Fields[field], "|"); got != want {
						t.Errorf("the service sees %s: %q, want %q", field, got, want)
					}
				}
			})
		}
	}
}
