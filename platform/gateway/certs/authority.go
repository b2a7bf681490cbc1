package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	authorityFor = 10 * 365 * 24 * time.Hour
	leafFor      = 30 * 24 * time.Hour
	leafLeast    = leafFor / 3 // what is left of a leaf when the next is made
)

// The files of an authority in its folder.
const (
	AuthorityFile = "authority.pem" // what to trust
	secretFile    = "authority-key.pem"
)

// Authority signs certificates for names of development. Whoever trusts it trusts whoever
// can read its key, for any name, so it is for one's own machine. It is safe for concurrent
// use.
type Authority struct {
	cert  *x509.Certificate
	key   crypto.Signer
	names []string // patterns that may be signed

	mu    sync.Mutex
	leafs map[string]*tls.Certificate // by pattern
}

// OpenAuthority reads the authority in dir, or makes one, with a key that only its owner can
// read. It signs for localhost and for hosts, which may have a wildcard as first label.
func OpenAuthority(dir string, hosts []string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the local authority: %w", err)
	}
	secret := filepath.Join(dir, secretFile)
	both, err := os.ReadFile(secret)
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(dir, secret); err == nil {
			both, err = os.ReadFile(secret)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the local authority: %w", err)
	}
	if info, err := os.Stat(secret); err == nil && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the local authority: others can read its key %s (%s): chmod 600 it, or remove it for a new one", secret, info.Mode().Perm())
	}
	pair, err := tls.X509KeyPair(both, both)
	if err != nil {
		return nil, fmt.Errorf("the local authority: %s cannot be used: %w: remove it for a new one", secret, err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("the local authority: %s holds no authority: remove it for a new one", secret)
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("the local authority: %s expired at %s: remove it for a new one", secret, pair.Leaf.NotAfter)
	}
	a := &Authority{cert: pair.Leaf, key: key, names: append([]string{"localhost", "*.localhost"}, hosts...), leafs: map[string]*tls.Certificate{}}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Leaf.Raw})
	path := filepath.Join(dir, AuthorityFile)
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, public) {
		return a, nil
	}
	if err := os.WriteFile(path, public, 0o644); err != nil {
		return nil, fmt.Errorf("the local authority: %w", err)
	}
	return a, nil
}

// create makes an authority in one file, unless another process is faster.
func create(dir, secret string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // only tells people which one it is
	now := time.Now()
	cert, err := sign(&x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Muster, for development"}, CommonName: "Muster local authority " + host + " " + now.Format(time.DateOnly)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(authorityFor),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil, key, key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	var both bytes.Buffer
	_ = pem.Encode(&both, &pem.Block{Type: "PRIVATE KEY", Bytes: der})  // a Buffer takes everything
	_ = pem.Encode(&both, &pem.Block{Type: "CERTIFICATE", Bytes: cert}) // as above
	tmp, err := os.CreateTemp(dir, secretFile+".*")                     // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(both.Bytes())
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err = os.Link(tmp.Name(), secret); errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// sign returns a certificate; a nil parent signs itself.
func sign(template, parent *x509.Certificate, public *ecdsa.PrivateKey, key crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	if parent == nil {
		parent = template
	}
	return x509.CreateCertificate(rand.Reader, template, parent, public.Public(), key)
}

// pattern returns the pattern under which a name may be signed. A client that names nobody
// asked for an address, such as 127.0.0.1.
func (a *Authority) pattern(name string) (string, bool) {
	if name == "" {
		return "localhost", true
	}
	if slices.Contains(a.names, name) {
		return name, true
	}
	_, parent, ok := strings.Cut(name, ".")
	wild := "*." + parent
	return wild, ok && slices.Contains(a.names, wild)
}

// certificate returns a leaf for a name, a new one when the last is old; nil, nil when the
// authority does not sign for it.
func (a *Authority) certificate(name string, now time.Time) (*tls.Certificate, error) {
	pattern, ok := a.pattern(name)
	if !ok {
		return nil, nil //nolint:nilnil // there is none
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.leafs[pattern]; c != nil && now.Before(c.Leaf.NotAfter.Add(-leafLeast)) {
		return c, nil
	}
	c, err := a.leaf(pattern, now)
	if err != nil {
		return nil, fmt.Errorf("a certificate for %s: %w", pattern, err)
	}
	a.leafs[pattern] = c
	return c, nil
}

func (a *Authority) leaf(pattern string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: pattern}, DNSNames: []string{pattern},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(leafFor),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if pattern == "localhost" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	der, err := sign(template, a.cert, key, a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

func (a *Authority) status() []Certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []Certificate{{Hosts: a.names, Source: "local", Expires: a.cert.NotAfter}}
	return list
}
