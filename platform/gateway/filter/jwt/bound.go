package jwt

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// bound reads whose token it is (RFC 7800): the SHA-256 of the certificate without which it
// counts for nothing (RFC 8705, 3.1), nil when anybody may bring it. One that is bound to
// another key, as by DPoP (RFC 9449), is refused: here nobody can prove to have it.
func (c *claims) bound() ([]byte, error) {
	cnf, there := c.all["cnf"]
	if !there {
		return nil, nil
	}
	object, _ := cnf.(map[string]any)
	text, _ := object["x5t#S256"].(string)
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sum) != sha256.Size || len(object) != 1 {
		return nil, invalid("it is bound to a key whose proof is not looked at here")
	}
	return sum, nil
}

// brought reports whether a token came from whom it is bound to, over TLS with the
// certificate.
func (v *verdict) brought(r *filter.Request) bool {
	if v.bound == nil {
		return true
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw) // TLS has proved that the client has its key
	return subtle.ConstantTimeCompare(sum[:], v.bound) == 1
}
