package jwt

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/musterdev/muster/problem"
)

func hmacToken(t testing.TB, secret []byte, alg jose.SignatureAlgorithm) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: secret}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(usual(t))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func usual(t testing.TB) []byte {
	t.Helper()
	text, err := json.Marshal(says{"iss": at, "aud": "shop", "sub": "alice", "exp": time.Now().Unix() + 3600})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// with returns a token with another header and the signature of the first.
func with(token, header string) string {
	parts := strings.Split(token, ".")
	return b64(header) + "." + parts[1] + "." + parts[2]
}

func TestAttacks(t *testing.T) {
	p, other := newPair(t, "k1", jose.RS256), newPair(t, "k1", jose.RS256)
	f := inline(t, nil, p)
	good := p.token(t, at, nil)
	check(t, f, good, "")
	now := time.Now().Unix()
	parts := strings.Split(good, ".")

	der, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	jwk, err := p.public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	lured := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somebody asked where a token said") }))
	defer lured.Close()
	evil, err := other.public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}

	for name, token := range map[string]string{
		"alg none":                     with(good, `{"alg":"none","typ":"JWT"}`),
		"alg none without a signature": b64(`{"alg":"none"}`) + "." + parts[1] + ".",
		"alg NONE":                     with(good, `{"alg":"NONE"}`),
		"no alg":                       with(good, `{"kid":"k1"}`),
		"alg null":                     with(good, `{"alg":null}`),
		"alg a list":                   with(good, `{"alg":["RS256"]}`),
		"alg twice":                    with(good, `{"alg":"RS256","alg":"none"}`),
		"alg in another case":          with(good, `{"alg":"rs256","kid":"k1"}`),
		"HS256 by the PEM":             hmacToken(t, public, jose.HS256),
		"HS256 by the DER":             hmacToken(t, der, jose.HS256),
		"HS256 by the JWK":             hmacToken(t, jwk, jose.HS256),
		"HS512 by the PEM":             hmacToken(t, public, jose.HS512),
		"another's key, same id":       other.token(t, at, nil),
		"no id":                        pair{"", jose.RS256, other.key}.token(t, at, nil),
		"id is a path":                 pair{"../../dev/null", jose.RS256, other.key}.token(t, at, nil),
		"id is SQL":                    pair{"k1' OR '1'='1", jose.RS256, other.key}.token(t, at, nil),
		"id is no text":                with(good, `{"alg":"RS256","kid":{"a":1}}`),
		"jku":                          other.sign(t, map[jose.HeaderKey]any{"jku": lured.URL + "/keys"}, usual(t)),
		"x5u":                          other.sign(t, map[jose.HeaderKey]any{"x5u": lured.URL + "/cert"}, usual(t)),
		"jwk":                          other.sign(t, map[jose.HeaderKey]any{"jwk": json.RawMessage(evil)}, usual(t)),
		"x5c":                          other.sign(t, map[jose.HeaderKey]any{"x5c": []string{"MIIB"}}, usual(t)),
		"PS256 with a key of RS256":    pair{"k1", jose.PS256, p.key}.token(t, at, nil),
		"crit":                         p.sign(t, map[jose.HeaderKey]any{"crit": []string{"exp"}, "exp": 1}, usual(t)),
		"b64 false":                    with(good, `{"alg":"RS256","kid":"k1","b64":false,"crit":["b64"]}`),
		"a nested token":               p.sign(t, map[jose.HeaderKey]any{"cty": "JWT"}, usual(t)),
		"a logout token":               p.sign(t, map[jose.HeaderKey]any{"typ": "logout+jwt"}, usual(t)),
		"typ no text":                  p.sign(t, map[jose.HeaderKey]any{"typ": 7}, usual(t)),
		"bound to a key (DPoP)":        p.token(t, at, says{"cnf": says{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
		"bound to a certificate":       p.token(t, at, says{"cnf": says{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}),
		"bound to what is no object":   p.token(t, at, says{"cnf": "x"}),
		"another issuer":               p.token(t, "https://evil.example", nil),
		"issuer with a slash":          p.token(t, at+"/", nil),
		"issuer in another case":       p.token(t, "https://LOGIN.example", nil),
		"no issuer":                    p.token(t, at, says{"iss": nil}),
		"issuer a list":                p.token(t, at, says{"iss": []string{at}}),
		"another audience":             p.token(t, at, says{"aud": "bank"}),
		"no audience":                  p.token(t, at, says{"aud": nil}),
		"audience an empty list":       p.token(t, at, says{"aud": []string{}}),
		"audience an object":           p.token(t, at, says{"aud": says{"shop": true}}),
		"audience with a beginning":    p.token(t, at, says{"aud": "shopping"}),
		"expired":                      p.token(t, at, says{"exp": now - 31}),
		"no expiry":                    p.token(t, at, says{"exp": nil}),
		"expiry a text":                p.token(t, at, says{"exp": "9999999999"}),
		"expiry beyond dates":          p.token(t, at, says{"exp": 1e300}),
		"expiry null":                  p.sign(t, nil, []byte(`{"iss":"`+at+`","aud":"shop","sub":"a","exp":null}`)),
		"not yet":                      p.token(t, at, says{"nbf": now + 60}),
		"from the future":              p.token(t, at, says{"iat": now + 60}),
		"no subject":                   p.token(t, at, says{"sub": nil}),
		"subject empty":                p.token(t, at, says{"sub": ""}),
		"subject a number":             p.token(t, at, says{"sub": 7}),
		"subject a new line":           p.token(t, at, says{"sub": "alice\r\nX-Auth-Subject: root"}),
		"subject with a space":         p.token(t, at, says{"sub": "alice "}),
		"subject half a character":     p.sign(t, nil, []byte(`{"iss":"`+at+`","aud":"shop","exp":9999999999,"sub":"\ud800"}`)),
		"subject too long":             p.token(t, at, says{"sub": strings.Repeat("a", 2000)}),
		"claims twice":                 p.sign(t, nil, []byte(`{"iss":"`+at+`","aud":"shop","exp":9999999999,"sub":"alice","sub":"root"}`)),
		"claims no object":             p.sign(t, nil, []byte(`["`+at+`"]`)),
		"claims and more":              p.sign(t, nil, append(usual(t), "{}"...)),
		"claims no UTF-8":              p.sign(t, nil, []byte("{\"iss\":\""+at+"\",\"aud\":\"shop\",\"exp\":9999999999,\"sub\":\"a\xff\"}")),
		"another claim no UTF-8":       p.sign(t, nil, []byte("{\"iss\":\""+at+"\",\"aud\":\"shop\",\"exp\":9999999999,\"sub\":\"a\",\"email\":\"\xff\"}")),
		"a changed claim":              parts[0] + "." + b64(strings.Replace(decoded(t, parts[1]), "alice", "admin", 1)) + "." + parts[2],
		"a cut signature":              good[:len(good)-2],
		"no signature":                 parts[0] + "." + parts[1] + ".",
		"a line end":                   good[:len(good)-4] + "\n" + good[len(good)-4:],
		"padding":                      good + "==",
		"four parts":                   good + ".AAAA",
		"five parts (JWE)":             good + ".AAAA.AAAA",
		"JSON form":                    `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"a space":                      good + " x",
		"a comma":                      good + "," + good,
		"too long":                     parts[0] + "." + strings.Repeat("A", maxToken) + "." + parts[2],
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // remembered or not
				check(t, f, token, problem.Unauthenticated)
			}
		})
	}
	check(t, f, good, "")
}

func decoded(t testing.TB, part string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestOnlyTheAlgorithmsTold are taken, whatever an issuer's keys could do.
func TestOnlyTheAlgorithmsTold(t *testing.T) {
	p := newPair(t, "k1", jose.RS256)
	key := p.public()
	key.Algorithm = ""
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}})
	if err != nil {
		t.Fatal(err)
	}
	f := newFilter(t, Config{Issuer: Issuer{Name: at, Audience: []string{"shop"}, JWKS: text, Algorithms: []string{"PS256"}}})
	check(t, f, p.token(t, at, nil), problem.Unauthenticated)
	check(t, f, pair{"k1", jose.PS256, p.key}.token(t, at, nil), "")
}

// TestBoundTokens are those that count only with the certificate they were made for.
func TestBoundTokens(t *testing.T) {
	p := newPair(t, "k1", jose.ES256)
	f := inline(t, nil, p)
	ours, theirs := &x509.Certificate{Raw: []byte("ours")}, &x509.Certificate{Raw: []byte("theirs")}
	sum := sha256.Sum256(ours.Raw)
	token := p.token(t, at, says{"cnf": says{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}})
	for range 2 {
		for cert, code := range map[*x509.Certificate]problem.Code{ours: "", theirs: problem.Unauthenticated, nil: problem.Unauthenticated} {
			r := request("Authorization", "Bearer "+token)
			if cert != nil {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
			}
			err := f.Request(context.Background(), r)
			if err == nil && code != "" || err != nil && problem.CodeOf(err) != code {
				t.Errorf("with %v: %v, want %q", cert, err, code)
			}
		}
	}
}

// FuzzToken looks for a token that panics, and for one that is let in and was not signed.
func FuzzToken(f *testing.F) {
	p := newPair(f, "k1", jose.ES256)
	good := p.token(f, at, nil)
	known := inline(f, func(c *Config) { c.Forward = true }, p)
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		good, with(good, `{"alg":"none"}`), with(good, `{"alg":"HS256","kid":"k1"}`), "a.b.c", "..", "", good + "=",
		parts[0] + "." + b64(`{"iss":"`+at+`","exp":1e400}`) + "." + parts[2], b64(`{"alg":"ES256","jwk":{}}`) + "." + parts[1] + "." + parts[2],
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		r := request("Authorization", "Bearer "+token)
		err := known.Request(context.Background(), r)
		signed := strings.TrimLeft(token, " ")
		same := len(signed) == len(good) && signed[:len(signed)-1] == good[:len(good)-1] // the last letter has bits that mean nothing
		if err == nil && !same || err != nil && signed == good {
			t.Fatalf("%q: %v", token, err)
		}
	})
}
