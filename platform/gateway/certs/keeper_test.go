package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/certs"
)

func TestNameDecides(t *testing.T) {
	dir, r := t.TempDir(), newRoot(t)
	files := []certs.Pair{
		r.pair(t, dir, "a", "a.example"), r.pair(t, dir, "b", "*.b.example"), r.pair(t, dir, "c", "x.b.example"),
	}
	strict, _ := open(t, certs.Config{Files: files}, certs.Env{})
	lenient, _ := open(t, certs.Config{Files: files, Default: "a.example"}, certs.Env{})
	at, withDefault := serve(t, strict), serve(t, lenient)
	for _, c := range []struct{ asks, gets, byDefault string }{
		{"a.example", "a.example", "a.example"},
		{"A.Example.", "a.example", "a.example"},
		{"y.b.example", "*.b.example", "*.b.example"},
		{"x.b.example", "x.b.example", "x.b.example"}, // the very name first
		{"b.example", "", "a.example"},
		{"z.y.b.example", "", "a.example"}, // a wildcard is one label
		{"other.example", "", "a.example"},
		{"", "", "a.example"},
	} {
		for addr, want := range map[string]string{at: c.gets, withDefault: c.byDefault} {
			s, err := ask(addr, &tls.Config{ServerName: c.asks, InsecureSkipVerify: true})
			got := ""
			if err == nil {
				got = s.PeerCertificates[0].DNSNames[0]
			} else if !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("%q: %v", c.asks, err)
			}
			if got != want {
				t.Errorf("%q gets the certificate of %q, want %q", c.asks, got, want)
			}
		}
	}
}

func TestProtocols(t *testing.T) {
	r := newRoot(t)
	k, _ := open(t, certs.Config{Files: []certs.Pair{r.pair(t, t.TempDir(), "a", "a.example")}}, certs.Env{})
	at := serve(t, k)
	for _, c := range []struct {
		least, most uint16
		suites      []uint16
		protos      []string
		chosen      string
		refused     bool
	}{
		{tls.VersionTLS13, tls.VersionTLS13, nil, []string{"h2", "http/1.1"}, "h2", false},
		{tls.VersionTLS12, tls.VersionTLS12, nil, []string{"http/1.1"}, "http/1.1", false},
		{tls.VersionTLS12, tls.VersionTLS12, nil, nil, "", false},
		{tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}, nil, "", true},
		{tls.VersionTLS10, tls.VersionTLS11, nil, nil, "", true},
		{tls.VersionTLS12, tls.VersionTLS13, nil, []string{"smtp"}, "", true},
	} {
		s, err := ask(at, &tls.Config{
			ServerName: "a.example", RootCAs: r.pool, MinVersion: c.least, MaxVersion: c.most, CipherSuites: c.suites, NextProtos: c.protos,
		})
		if (err != nil) != c.refused || s.NegotiatedProtocol != c.chosen {
			t.Errorf("%+v: %q, %v", c, s.NegotiatedProtocol, err)
		}
	}
	newest, _ := open(t, certs.Config{Files: []certs.Pair{r.pair(t, t.TempDir(), "a", "a.example")}, Least: "1.3"}, certs.Env{})
	if _, err := ask(serve(t, newest), &tls.Config{ServerName: "a.example", RootCAs: r.pool, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 was spoken against least: 1.3")
	}
}

// New connections get what is in the files; what cannot be used changes nothing.
func TestFilesAreFollowed(t *testing.T) {
	dir, r, next := t.TempDir(), newRoot(t), newRoot(t)
	p := r.pair(t, dir, "a", "a.example")
	k, log := open(t, certs.Config{Files: []certs.Pair{p}}, certs.Env{})
	at := serve(t, k)
	by := func(r *root) bool {
		_, err := ask(at, &tls.Config{ServerName: "a.example", RootCAs: r.pool})
		return err == nil
	}
	if !by(r) {
		t.Fatal("the first certificate is not shown")
	}
	bad := func(what string, cert, key []byte) {
		before := strings.Count(log.String(), "the old one stays")
		write(t, p.Cert, cert)
		write(t, p.Key, key)
		until(t, "a line about "+what, func() bool { return strings.Count(log.String(), "the old one stays") > before })
		if !by(r) {
			t.Errorf("%s: the old certificate is not shown any more", what)
		}
		if s := k.Status(); len(s) != 1 || s[0].Trouble == "" {
			t.Errorf("%s: the status says %+v", what, s)
		}
	}
	cert, key := next.issue(t, time.Now().Add(time.Hour), x509.ExtKeyUsageServerAuth, "a.example")
	other, _ := next.issue(t, time.Now().Add(time.Hour), x509.ExtKeyUsageServerAuth, "a.example")
	bad("a key of another", other, key)
	bad("no certificate", []byte("nothing"), key)
	old, oldKey := next.issue(t, time.Now().Add(-time.Minute), x509.ExtKeyUsageServerAuth, "a.example")
	bad("an expired one", old, oldKey)
	nobody, nobodyKey := next.issue(t, time.Now().Add(time.Hour), x509.ExtKeyUsageServerAuth)
	bad("one without a host", nobody, nobodyKey)
	lines := strings.Count(log.String(), "\n")
	write(t, p.Cert, cert)
	write(t, p.Key, key)
	until(t, "the renewed certificate", func() bool { return by(next) })
	if s := k.Status(); s[0].Trouble != "" {
		t.Errorf("the status says %+v", s)
	}
	if n := strings.Count(log.String(), "\n"); n > lines+3 {
		t.Errorf("%d lines more for one renewal: %s", n-lines, log)
	}
	if err := os.Remove(p.Cert); err != nil {
		t.Fatal(err)
	}
	until(t, "a line about the missing file", func() bool { return strings.Contains(log.String(), "no such file") })
	if !by(next) {
		t.Error("without its file the certificate is gone")
	}
}

func TestClientCertificates(t *testing.T) {
	dir, r, theirs, others := t.TempDir(), newRoot(t), newRoot(t), newRoot(t)
	authorities := filepath.Join(dir, "clients.pem")
	theirs.write(t, authorities)
	of := func(r *root) []tls.Certificate {
		cert, key := r.issue(t, time.Now().Add(time.Hour), x509.ExtKeyUsageClientAuth, "client")
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	good, bad := of(theirs), of(others)
	for _, how := range []string{certs.Optional, certs.Required} {
		k, _ := open(t, certs.Config{
			Files: []certs.Pair{r.pair(t, dir, how, "a.example")}, Clients: &certs.Clients{Ask: how, Authorities: authorities},
		}, certs.Env{})
		at := serve(t, k)
		for what, c := range map[string]struct {
			shows []tls.Certificate
			in    bool
		}{"none": {nil, how == certs.Optional}, "a good one": {good, true}, "one of others": {bad, false}} {
			cache := tls.NewLRUClientSessionCache(1)
			for range 2 {
				cfg := &tls.Config{ServerName: "a.example", RootCAs: r.pool, ClientSessionCache: cache}
				cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if c.shows == nil {
						return &tls.Certificate{}, nil
					}
					return &c.shows[0], nil // also to who does not ask for its authority
				}
				s, err := ask(at, cfg)
				if (err == nil) != c.in || s.DidResume {
					t.Errorf("%s, %s: %v, resumed %v", how, what, err, s.DidResume)
				}
			}
		}
	}
	k, log := open(t, certs.Config{
		Files: []certs.Pair{r.pair(t, dir, "a", "a.example")}, Clients: &certs.Clients{Ask: certs.Required, Authorities: authorities},
	}, certs.Env{})
	at := serve(t, k)
	in := func(c []tls.Certificate) bool {
		_, err := ask(at, &tls.Config{ServerName: "a.example", RootCAs: r.pool, Certificates: c})
		return err == nil
	}
	write(t, authorities, []byte("nothing"))
	until(t, "a line about the authorities", func() bool { return strings.Contains(log.String(), "the old ones stay") })
	if !in(good) {
		t.Error("a bad file took the good one's place")
	}
	others.write(t, authorities)
	until(t, "the other authority's clients", func() bool { return in(bad) })
	if in(good) {
		t.Error("who was taken out is still let in")
	}
}

// Sessions are resumed where nobody is asked for a certificate.
func TestResumption(t *testing.T) {
	r := newRoot(t)
	k, _ := open(t, certs.Config{Files: []certs.Pair{r.pair(t, t.TempDir(), "a", "a.example")}}, certs.Env{})
	at, cache := serve(t, k), tls.NewLRUClientSessionCache(1)
	for i := range 2 {
		s, err := ask(at, &tls.Config{ServerName: "a.example", RootCAs: r.pool, ClientSessionCache: cache})
		if err != nil || s.DidResume != (i == 1) {
			t.Errorf("connection %d: %v, resumed %v", i, err, s.DidResume)
		}
	}
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	r := newRoot(t)
	good := r.pair(t, dir, "a", "a.example")
	empty := filepath.Join(dir, "empty.pem")
	write(t, empty, nil)
	for _, c := range []struct {
		cfg  certs.Config
		says string
	}{
		{certs.Config{}, "no source of certificates"},
		{certs.Config{Files: []certs.Pair{{Cert: "x"}}}, "tls.files[0]: cert and key are both needed"},
		{certs.Config{Files: []certs.Pair{good, {Cert: dir + "/none", Key: good.Key}}}, "tls.files[1]: the certificate " + dir + "/none"},
		{certs.Config{Listen: "8443", Files: []certs.Pair{good}}, "tls.listen"},
		{certs.Config{Automatic: &certs.Automatic{}}, "tls.automatic.hosts"},
		{certs.Config{Automatic: &certs.Automatic{Hosts: []string{"a.example", "*.b.example"}}}, "tls.automatic.hosts[1]: \"*.b.example\": a wildcard"},
		{certs.Config{Automatic: &certs.Automatic{Hosts: []string{"shop.test"}}}, "no name of the public internet"},
		{certs.Config{Automatic: &certs.Automatic{Hosts: []string{"10.0.0.1"}}}, "is an address"},
		{certs.Config{Automatic: &certs.Automatic{Hosts: []string{"a.example"}, Directory: "http://ca"}}, "must begin with https://"},
		{certs.Config{Automatic: &certs.Automatic{Hosts: []string{"a.example"}}}, "need a folder"},
		{certs.Config{Local: &certs.Local{Hosts: []string{"a b"}}}, "tls.local.hosts[0]"},
		{certs.Config{Files: []certs.Pair{good}, Clients: &certs.Clients{Ask: "maybe", Authorities: "x"}}, "tls.clients.ask"},
		{certs.Config{Files: []certs.Pair{good}, Clients: &certs.Clients{Ask: certs.Optional}}, "tls.clients.authorities"},
		{certs.Config{Files: []certs.Pair{good}, Clients: &certs.Clients{Ask: certs.Optional, Authorities: empty}}, "holds no certificate"},
		{certs.Config{Files: []certs.Pair{good}, Least: "1.1"}, "tls.least"},
		{certs.Config{Files: []certs.Pair{good}, Default: "b.example"}, `tls.default: there is no certificate for "b.example"`},
	} {
		k, err := certs.Open(t.Context(), c.cfg, certs.Env{})
		if err == nil {
			_ = k.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.says)
		}
	}
}

func TestChallengeOfNobody(t *testing.T) {
	r := newRoot(t)
	k, _ := open(t, certs.Config{Files: []certs.Pair{r.pair(t, t.TempDir(), "a", "a.example")}}, certs.Env{})
	if b, ok := k.Challenge("a.example", "/.well-known/acme-challenge/x"); ok {
		t.Errorf("answered %q", b)
	}
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	k, err := certs.Open(context.Background(), certs.Config{Local: &certs.Local{Hosts: []string{"shop.test"}}}, certs.Env{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer k.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	go func() {
		if c, err := tls.NewListener(l, k.Server()).Accept(); err == nil {
			_, _ = c.Write([]byte("!"))
			_ = c.Close()
		}
	}()
	pem, err := os.ReadFile(filepath.Join(dir, certs.AuthorityFile))
	if err != nil {
		fmt.Println(err)
		return
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	s, err := ask(l.Addr().String(), &tls.Config{ServerName: "shop.test", RootCAs: trusted})
	fmt.Println(s.PeerCertificates[0].DNSNames, err)
	// Output: [shop.test] <nil>
}
