package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/certs"
)

// secureEdge is an edge with a local authority, and what trusts it.
func secureEdge(t *testing.T, redirect bool) (plain, encrypted string, trusted *x509.CertPool) {
	t.Helper()
	in, _ := instance(t, "a-1", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+" "+r.Host+" "+r.URL.RequestURI())
	})
	reg := &registry{}
	reg.View("a").Set([]discovery.Instance{in})
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := gateway.Config{
		Listen: "127.0.0.1:0", Resolver: reg, Admin: filepath.Join(dir, "s"), StateDir: dir, TLSListener: l,
		TLS: &certs.Config{Local: &certs.Local{Hosts: []string{"shop.test"}}, Redirect: redirect},
	}
	e := follow(t, cfg)
	if status, text := ofSocket(t, cfg.Admin, "/metrics"); status != http.StatusOK ||
		!strings.Contains(text, `muster_edge_certificate_expires_timestamp_seconds{host="shop.test",source="local"} `) {
		t.Errorf("the metrics: %d, without the certificate's end", status)
	}
	if status, text := ofSocket(t, cfg.Admin, "/v1/certificates"); status != http.StatusOK || !strings.Contains(text, `"shop.test"`) {
		t.Errorf("the certificates: %d %s", status, text)
	}
	if err := admin.NewClient(cfg.Admin).SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(dir, "tls", certs.AuthorityFile))
	if err != nil {
		t.Fatal(err)
	}
	trusted = x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	return e.addr.String(), l.Addr().String(), trusted
}

// ofSocket asks an edge's admin socket.
func ofSocket(t *testing.T, socket, path string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	res, err := client.Get("http://edge" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// toAddr is a client whose connections all go to one address.
func toAddr(addr string, trusted *x509.CertPool, http2 bool) *http.Client {
	var p http.Protocols
	p.SetHTTP1(!http2)
	p.SetHTTP2(http2)
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Protocols: &p, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trusted},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			},
		},
	}
}

// Both versions of HTTP are spoken by TLS, and the service is told.
func TestTLS(t *testing.T) {
	plain, encrypted, trusted := secureEdge(t, false)
	for _, http2 := range []bool{false, true} {
		res, err := toAddr(encrypted, trusted, http2).Get("https://shop.test/x?y=1")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(b) != "https shop.test /x?y=1" || (res.ProtoMajor == 2) != http2 {
			t.Errorf("%s: %q, %v", res.Proto, b, err)
		}
	}
	if _, err := toAddr(encrypted, trusted, false).Get("https://other.test/"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("a name without a certificate: %v", err)
	}
	if status, text := get(t, "http://"+plain+"/x"); status != http.StatusOK || !strings.HasPrefix(text, "http ") {
		t.Errorf("plain: %d %q", status, text)
	}
}

// The plain port sends clients to the encrypted one, path and query as they came.
func TestRedirect(t *testing.T) {
	plain, encrypted, trusted := secureEdge(t, true)
	_, port, _ := net.SplitHostPort(encrypted)
	for _, path := range []string{"/", "/a%2Db/c?d=%20e", "/x"} {
		res, err := toAddr(plain, trusted, false).Post("http://shop.test"+path, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if to := res.Header.Get("Location"); res.StatusCode != http.StatusPermanentRedirect || to != "https://shop.test:"+port+path {
			t.Errorf("%s: %d to %q", path, res.StatusCode, to)
		}
	}
	res, err := toAddr(encrypted, trusted, false).Get("https://shop.test/x")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("encrypted: %d", res.StatusCode)
	}
	if status, _ := get(t, "http://"+plain+"/.muster/livez"); status != http.StatusOK {
		t.Errorf("the edge's own path: %d", status)
	}
}
