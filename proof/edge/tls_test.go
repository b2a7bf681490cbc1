package edge_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/certs"
)

// entrance is a port of an edge.
type entrance struct {
	addr    string
	ca      string         // the file with who vouches for it; "": it speaks in clear
	trusted *x509.CertPool // the same
}

func (in *entrance) url(path string) string {
	if in.ca == "" {
		return "http://" + in.addr + path
	}
	return "https://" + in.addr + path
}

func (in *entrance) port(t *testing.T) int {
	t.Helper()
	_, port, err := net.SplitHostPort(in.addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// client speaks HTTP/1.1, as one of WebSockets does.
func (in *entrance) client(t *testing.T) *http.Client {
	t.Helper()
	over := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: in.trusted, MinVersion: tls.VersionTLS12}}
	t.Cleanup(over.CloseIdleConnections)
	return &http.Client{Transport: over}
}

// dial opens a connection without a word of HTTP on it.
func (in *entrance) dial() (net.Conn, error) {
	if in.ca == "" {
		return net.Dial("tcp", in.addr)
	}
	return tls.Dial("tcp", in.addr, &tls.Config{RootCAs: in.trusted, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
}

// ways are how a client may come.
func ways() []string { return []string{"clear", "tls"} }

func (f *front) by(way string) *entrance {
	if way == "tls" {
		return &f.tls
	}
	return &f.entrance
}

// each calls try once for each way, in a test of its name.
func (f *front) each(t *testing.T, try func(*testing.T, *entrance)) {
	t.Helper()
	for _, way := range ways() {
		t.Run(way, func(t *testing.T) { try(t, f.by(way)) })
	}
}

// certificate writes one for 127.0.0.1, which vouches for itself, and its key.
func certificate(t *testing.T, dir string) (certs.Pair, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{serverName}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p := certs.Pair{Cert: filepath.Join(dir, "edge.pem"), Key: filepath.Join(dir, "edge-key.pem")}
	for path, text := range map[string][]byte{p.Cert: public, p.Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(public)
	return p, trusted
}

// serverName is whose certificate is shown to those who come by an address.
const serverName = "edge.test"
