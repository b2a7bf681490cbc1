package l4_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/l4"
)

// secured is an instance with TLS of its own, which says its name and the one that was
// asked for.
func secured(t *testing.T, name string, names ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS10}
	return listen(t, func(c *net.TCPConn) {
		s := tls.Server(c, cfg)
		if s.Handshake() == nil {
			fmt.Fprintf(s, "%s is %s", s.ConnectionState().ServerName, name)
			_, _ = io.Copy(io.Discard, s)
		}
	})
}

// insecure accepts any certificate: whose it is is known by what its instance says.
func insecure(name string) *tls.Config {
	return &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}
}

// ask returns what is said at the end of a handshake that was made on c.
func ask(c net.Conn, cfg *tls.Config) (string, error) {
	client := tls.Client(c, cfg)
	if err := client.Handshake(); err != nil {
		return "", err
	}
	if err := client.CloseWrite(); err != nil {
		return "", err
	}
	b, err := io.ReadAll(client)
	return string(b), err
}

func names(t *testing.T, cfg l4.Config) *rig {
	t.Helper()
	cfg.Routes.Names = map[string]l4.Target{
		"one.example.com": {Service: "one"}, "*.example.com": {Service: "any"}, "three.example.com": {Service: "three", Endpoint: l4.Endpoint},
	}
	addrs := map[string]string{}
	for _, service := range []string{"one", "any", "three"} {
		addrs[service] = secured(t, service)
	}
	r := start(t, cfg)
	for service, addr := range addrs {
		r.add(service, addr)
	}
	return r
}

func TestServerName(t *testing.T) {
	r := names(t, l4.Config{})
	for name, want := range map[string]string{
		"one.example.com": "one", "ONE.example.com": "one", "three.example.com": "three", "two.example.com": "any", "x.example.com": "any",
	} {
		got, err := ask(r.dial(), insecure(name))
		if err != nil || !strings.HasSuffix(got, " is "+want) {
			t.Errorf("%s: %q, %v; want %s", name, got, err, want)
		}
	}
	t.Run("of old and of large clients", func(t *testing.T) {
		old := insecure("one.example.com")
		old.MaxVersion = tls.VersionTLS10
		large := insecure("one.example.com")
		for i := range 600 {
			large.NextProtos = append(large.NextProtos, fmt.Sprintf("a-protocol-%d", i))
		}
		for _, cfg := range []*tls.Config{old, large} {
			if got, err := ask(r.dial(), cfg); err != nil || got != "one.example.com is one" {
				t.Errorf("%q, %v", got, err)
			}
		}
	})
	t.Run("unknown", func(t *testing.T) {
		for _, name := range []string{"one.example.org", "a.two.example.com", "example.com", ""} {
			before := r.Stats().Ends[l4.NoRoute]
			c := r.dial()
			if _, err := ask(c, insecure(name)); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("%q: %v", name, err)
			}
			_ = c.Close()
			eventually(t, "counted", func() bool { return r.Stats().Ends[l4.NoRoute] == before+1 })
		}
	})
	t.Run("not TLS", func(t *testing.T) {
		c := r.dial()
		_, _ = c.Write([]byte("G"))
		if _, err := c.Read(make([]byte, 1)); !isReset(err) {
			t.Error(err)
		}
	})
}

// With a default, all that names none of the names goes there, TLS or not.
func TestServerNameOrDefault(t *testing.T) {
	plain := named(t, "plain")
	r := names(t, l4.Config{Routes: l4.Routes{Default: l4.Target{Service: "plain"}}})
	r.add("plain", plain)
	c := r.dial()
	_, _ = c.Write([]byte("x"))
	expect(t, c, "plainx")
	if got, err := ask(r.dial(), insecure("one.example.com")); err != nil || got != "one.example.com is one" {
		t.Errorf("%q, %v", got, err)
	}
	r.add("plain", secured(t, "default"))
	for _, name := range []string{"other.example.org", ""} {
		if got, err := ask(r.dial(), insecure(name)); err != nil || got != name+" is default" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// slowly writes byte by byte; records cuts the first record's message into many records.
type (
	slowly  struct{ net.Conn }
	records struct {
		net.Conn

		cut bool
	}
)

func (s slowly) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := s.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func (r *records) Write(b []byte) (int, error) {
	if r.cut {
		return r.Conn.Write(b)
	}
	r.cut = true
	if _, err := r.Conn.Write(inRecords(b, 7)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// inRecords returns one TLS record's content in records of so many bytes.
func inRecords(record []byte, size int) (out []byte) {
	for rest := record[5:]; len(rest) > 0; {
		n := min(size, len(rest))
		out = append(out, record[0], record[1], record[2], 0, byte(n))
		out = append(out, rest[:n]...)
		rest = rest[n:]
	}
	return out
}

// However the first message arrives, it is understood and passed on whole.
func TestServerNameInPieces(t *testing.T) {
	r := names(t, l4.Config{})
	for what, c := range map[string]net.Conn{"bytes": slowly{r.dial()}, "records": &records{Conn: r.dial()}} {
		if got, err := ask(c, insecure("one.example.com")); err != nil || got != "one.example.com is one" {
			t.Errorf("in %s: %q, %v", what, got, err)
		}
	}
}

// A client that says nothing, or nonsense, or too much, is cut off in time.
func TestBadHello(t *testing.T) {
	r := names(t, l4.Config{Hello: 100 * time.Millisecond})
	endless := make([]byte, 200<<10) // a message of 16 MiB in records of 16 KiB
	for i := 0; i < len(endless); i += 5 + 16<<10 {
		copy(endless[i:], []byte{22, 3, 1, 0x40, 0})
	}
	copy(endless[5:], []byte{1, 0xff, 0xff, 0xff})
	bad := map[string][]byte{
		"silent": {}, "half": {22, 3, 1, 0, 200, 1, 0}, "nonsense": append([]byte{22, 3, 1, 0, 20}, make([]byte, 20)...),
		"version": {22, 9, 9, 0, 1, 1}, "endless": endless,
	}
	for what, sent := range bad {
		c := r.dial()
		_, _ = c.Write(sent)
		if b, err := io.ReadAll(c); len(b) > 0 || !isReset(err) {
			t.Errorf("%s: %x, %v", what, b, err)
		}
	}
	eventually(t, "counted", func() bool { return r.Stats().Ends[l4.BadHello] == int64(len(bad)) })
	if n := r.Stats().Ends[l4.NoRoute]; n != 0 {
		t.Errorf("%d are counted as asking for a name that nobody has", n)
	}
}
