package gateways

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// subjects is how many users there are, each with a token of its own.
const subjects = 100

// credentials makes the issuer's keys and tokens, and a certificate for 127.0.0.1.
func (w *world) credentials() error {
	issuer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	forger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&issuer.PublicKey)
	if err != nil {
		return err
	}
	if err := w.pem("issuer.pem", &pem.Block{Type: "PUBLIC KEY", Bytes: public}); err != nil {
		return err
	}
	keys, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one",
		"n": base64.RawURLEncoding.EncodeToString(issuer.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(issuer.E)).Bytes()),
	}}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.Dir, "jwks.json"), keys, 0o644); err != nil {
		return err
	}
	late := time.Now().Add(12 * time.Hour)
	for n := range subjects {
		t, err := token(issuer, fmt.Sprintf("user-%03d", n), late)
		if err != nil {
			return err
		}
		w.tokens = append(w.tokens, t)
	}
	forged, err := token(forger, "user-000", late)
	if err != nil {
		return err
	}
	expired, err := token(issuer, "user-000", time.Now().Add(-time.Hour))
	if err != nil {
		return err
	}
	w.bad = map[string]string{"none": "", "forged": forged, "expired": expired}
	return w.certificate()
}

// token signs one as RS256.
func token(key *rsa.PrivateKey, subject string, expires time.Time) (string, error) {
	part := func(v any) string {
		b, _ := json.Marshal(v) //nolint:errchkjson // words and numbers
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(map[string]any{"alg": "RS256", "typ": "JWT", "kid": "one"}) + "." + part(map[string]any{
		"iss": "https://issuer.example", "aud": "bench", "sub": subject, "exp": expires.Unix(), "iat": time.Now().Unix(), "scope": "read write",
	})
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), err
}

func (w *world) certificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	c, k := &pem.Block{Type: "CERTIFICATE", Bytes: cert}, &pem.Block{Type: "PRIVATE KEY", Bytes: private}
	for name, blocks := range map[string][]*pem.Block{"cert.pem": {c}, "key.pem": {k}, "both.pem": {c, k}} {
		if err := w.pem(name, blocks...); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) pem(name string, blocks ...*pem.Block) error {
	var b strings.Builder
	for _, one := range blocks {
		b.Write(pem.EncodeToMemory(one))
	}
	return os.WriteFile(filepath.Join(w.Dir, name), []byte(b.String()), 0o600)
}
