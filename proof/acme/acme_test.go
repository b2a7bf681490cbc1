// Package acme has the edge order certificates from the test authority of Let's Encrypt.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/certs"
)

// names answers every question for an address by 127.0.0.1.
func names(t *testing.T) string {
	t.Helper()
	at, _ := listen(t) // Pebble asks over TCP
	s := &dns.Server{Listener: at, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			a.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1),
			}}
		}
		_ = w.WriteMsg(a) // who asked has gone
	})}
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = s.Shutdown() })
	return at.Addr().String()
}

// authority is a Pebble that looks at these ports.
type authority struct {
	directory, roots string // URL, and the file with who vouches for it
	issued           *x509.CertPool
	server           *httptest.Server
}

func newAuthority(t *testing.T, httpPort, tlsPort int) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	quiet, store := log.New(io.Discard, "", 0), db.NewMemoryStore()
	signs := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default"}})
	looks := va.New(quiet, httpPort, tlsPort, true, names(t), store)
	front := wfe.New(quiet, store, looks, signs, nil, true, false, 1, 1)
	s := httptest.NewTLSServer(front.Handler())
	t.Cleanup(s.Close)
	a := &authority{directory: s.URL + wfe.DirectoryPath, roots: filepath.Join(t.TempDir(), "roots.pem"), issued: x509.NewCertPool(), server: s}
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(a.roots, own, 0o600); err != nil {
		t.Fatal(err)
	}
	a.issued.AppendCertsFromPEM(signs.GetRootCert(0).PEM())
	return a
}

func listen(t *testing.T) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, l.Addr().(*net.TCPAddr).Port
}

// closed is a port where nobody listens.
func closed(t *testing.T) int {
	t.Helper()
	l, port := listen(t)
	_ = l.Close()
	return port
}

// edge runs until the test ends, or stop.
func edge(t *testing.T, plain, encrypted net.Listener, dir string, a *authority) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- gateway.Run(ctx, gateway.Config{
			Listener: plain, TLSListener: encrypted, Resolver: discovery.Fixed(nil), StateDir: dir, Admin: filepath.Join(dir, "s"),
			Telemetry: telemetry(t), EndWithin: 100 * time.Millisecond,
			TLS: &certs.Config{Automatic: &certs.Automatic{Hosts: []string{"shop.example"}, Directory: a.directory, Roots: a.roots}, Redirect: true},
		})
	}()
	over := make(chan struct{})
	t.Cleanup(func() { cancel(); <-over })
	go func() {
		defer close(over)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	return func() { cancel(); <-over }
}

// shown waits until the edge shows a certificate that the authority issued.
func shown(t *testing.T, addr string, trusted *x509.CertPool) *x509.Certificate {
	t.Helper()
	late := time.After(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", addr, &tls.Config{ServerName: "shop.example", RootCAs: trusted})
		if err == nil {
			_ = c.Close()
			return c.ConnectionState().PeerCertificates[0]
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("no certificate within 60 s: %v", err)
		}
	}
}

// Certificates are ordered by each way an authority looks whether a host leads here, kept,
// and shown after a restart without asking anybody.
func TestOrder(t *testing.T) {
	for _, way := range []string{"HTTP-01", "TLS-ALPN-01"} {
		t.Run(way, func(t *testing.T) {
			plain, httpPort := listen(t)
			encrypted, tlsPort := listen(t)
			if way == "HTTP-01" {
				tlsPort = closed(t)
			} else {
				httpPort = closed(t)
			}
			a, dir := newAuthority(t, httpPort, tlsPort), t.TempDir()
			addr := encrypted.Addr().String()
			stop := edge(t, plain, encrypted, dir, a)
			first := shown(t, addr, a.issued)
			if len(first.DNSNames) != 1 || first.DNSNames[0] != "shop.example" {
				t.Errorf("it is for %v", first.DNSNames)
			}
			res, err := ask(t, "http://"+plain.Addr().String()+"/.well-known/acme-challenge/unknown")
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusPermanentRedirect {
				t.Errorf("a challenge of nobody is answered %d", res.StatusCode)
			}
			stop()
			a.server.Close()
			plain, _ = listen(t)
			encrypted, _ = listen(t)
			edge(t, plain, encrypted, dir, a)
			if again := shown(t, encrypted.Addr().String(), a.issued); again.SerialNumber.Cmp(first.SerialNumber) != 0 {
				t.Error("another certificate after a restart")
			}
		})
	}
}

// ask asks once, and follows nothing.
func ask(t *testing.T, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}

// telemetry logs to the test.
func telemetry(t *testing.T) *observe.Telemetry {
	t.Helper()
	tel, err := observe.Start(t.Context(), observe.Config{Service: "edge", Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	return tel
}
