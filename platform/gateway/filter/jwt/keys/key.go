// Package keys keeps the keys by which an issuer signs its tokens: fetched from the issuer and
// kept fresh, read from a file, or given.
package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
)

// Key verifies signatures. It is safe for concurrent use.
type Key struct {
	ID  string // "kid", "" none
	alg string // the one algorithm it is for; "" all its kind can
	key any    // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, or []byte: a secret
	sum string // what it is compared by

	gone atomic.Bool
}

// Gone reports whether the issuer has taken the key back. What it verified counts no more.
func (k *Key) Gone() bool { return k.gone.Load() }

// Fits reports whether the key is for an algorithm (RFC 7518, 3.1; RFC 8037). It depends on the
// kind of the key, not on what a token says: a public key is never taken for a secret.
func (k *Key) Fits(alg string) bool {
	if k.alg != "" && k.alg != alg {
		return false
	}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return alg == "ES256"
		case elliptic.P384():
			return alg == "ES384"
		case elliptic.P521():
			return alg == "ES512"
		}
	case ed25519.PublicKey:
		return alg == "EdDSA"
	case []byte:
		return strings.HasPrefix(alg, "HS")
	}
	return false
}

// Verify checks the signature of a token that was parsed from its compact form, whose
// algorithm the key [Key.Fits].
func (k *Key) Verify(token *jose.JSONWebSignature) error {
	_, err := token.Verify(k.key)
	return err
}

// Limits of what an issuer may say.
const (
	MaxSet    = 1 << 20 // bytes of a set
	MaxKeys   = 200     // keys of a set
	minRSA    = 2048    // bits
	minSecret = 32      // bytes (RFC 7518, 3.2, of HS256)
)

// Parse reads a set of public keys (RFC 7517, 5). Keys of kinds that are not known, that are
// not for signatures, that are too weak, or secrets are left out: an error is a set that
// cannot be read, or one with keys of which none can be used.
func Parse(set []byte) ([]*Key, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(set, &doc); err != nil {
		return nil, fmt.Errorf("no set of keys: %w", err)
	}
	switch {
	case doc.Keys == nil:
		return nil, errors.New(`no set of keys: "keys" is missing`)
	case len(doc.Keys) > MaxKeys:
		return nil, fmt.Errorf("a set of %d keys: at most %d are taken", len(doc.Keys), MaxKeys)
	}
	keys := []*Key{}
	var bad error
	for _, text := range doc.Keys {
		k, err := parse(text)
		if err != nil {
			bad = err
			continue
		}
		keys = append(keys, k)
	}
	if bad != nil && len(keys) == 0 {
		return nil, fmt.Errorf("no key of the set can be used, such as the last: %w", bad)
	}
	return keys, nil
}

func parse(text []byte) (*Key, error) {
	var j jose.JSONWebKey
	if err := j.UnmarshalJSON(text); err != nil {
		return nil, err
	}
	if j.Use != "" && j.Use != "sig" {
		return nil, fmt.Errorf("key %q is not for signatures: use is %q", j.KeyID, j.Use)
	}
	if !j.IsPublic() {
		j = j.Public() // a private one that was published; a secret has no public part
	}
	switch key := j.Key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return nil, fmt.Errorf("key %q is too weak: %d bits", j.KeyID, key.N.BitLen())
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return nil, fmt.Errorf("key %q is no public key that is known here", j.KeyID)
	}
	sum, err := j.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return &Key{ID: j.KeyID, alg: j.Algorithm, key: j.Key, sum: string(sum)}, nil
}

// Secret reads a secret for the algorithms HS256, HS384 and HS512 from the content of a file;
// a line's end after it does not belong to it.
func Secret(content []byte) ([]*Key, error) {
	text := strings.TrimRight(string(content), "\r\n")
	if len(text) < minSecret {
		return nil, fmt.Errorf("the secret has %d bytes: it must have at least %d", len(text), minSecret)
	}
	return []*Key{{key: []byte(text), sum: base64.RawStdEncoding.EncodeToString([]byte(text))}}, nil
}

// fitting returns the keys for a token: those of its id, or, when it names none, all.
func fitting(all []*Key, id, alg string) (found []*Key) {
	for _, k := range all {
		if (id == "" || k.ID == id || k.ID == "") && k.Fits(alg) {
			found = append(found, k)
		}
	}
	return found
}
