package overload

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/filter"
)

// tokens is how many there are. They are used in turn, and the edge remembers few of them, so
// that it verifies one for each request.
const tokens = 3000

const (
	issuer   = "https://drill.invalid"
	audience = "drill"
)

// login has the edge want a token with each request, and returns some that are good.
func login(ctx context.Context, edge *admin.Client) ([]string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes() // 4, x, y: SEC 1, 2.3.3
	if err != nil {
		return nil, err
	}
	half := len(point) / 2
	with, err := json.Marshal(map[string]any{
		"issuer": issuer, "audience": []string{audience}, "algorithms": []string{"ES512"}, "tokens": 1,
		"jwks": map[string]any{"keys": []any{map[string]string{
			"kty": "EC", "crv": "P-521", "kid": "drill", "alg": "ES512", "use": "sig", "x": encode(point[1 : 1+half]), "y": encode(point[1+half:]),
		}}},
	})
	if err != nil {
		return nil, err
	}
	doc, err := edge.Document(ctx)
	if err != nil {
		return nil, err
	}
	doc.Filters, doc.Apply = map[string]filter.Spec{"login": {Kind: "jwt", With: with}}, []string{"login"}
	if err := edge.SetDocument(ctx, doc); err != nil {
		return nil, fmt.Errorf("have the edge want tokens: %w", err)
	}
	list := make([]string, tokens)
	for n := range list {
		if list[n], err = sign(key, fmt.Sprintf("visitor-%d", n)); err != nil {
			return nil, err
		}
	}
	return list, ctx.Err()
}

// sign makes a token of a subject, as RFC 7515 and RFC 7518, 3.4 have it.
func sign(key *ecdsa.PrivateKey, subject string) (string, error) {
	claims, err := json.Marshal(map[string]any{"iss": issuer, "aud": audience, "sub": subject, "exp": time.Now().Add(12 * time.Hour).Unix()})
	if err != nil {
		return "", err
	}
	text := encode([]byte(`{"alg":"ES512","typ":"JWT","kid":"drill"}`)) + "." + encode(claims)
	sum := sha512.Sum512([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", err
	}
	const size = 66 // bytes of a number of P-521
	signature := make([]byte, 2*size)
	r.FillBytes(signature[:size])
	s.FillBytes(signature[size:])
	return text + "." + encode(signature), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
