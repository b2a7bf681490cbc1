package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

func leaf(uri, dns, cn string) *x509.Certificate {
	c := &x509.Certificate{Subject: pkix.Name{CommonName: cn}, Issuer: pkix.Name{CommonName: "our CA"}, NotAfter: time.Now().Add(time.Hour), SerialNumber: big.NewInt(255)}
	if uri != "" {
		u, err := url.Parse(uri)
		if err != nil {
			panic(err)
		}
		c.URIs = []*url.URL{u}
	}
	if dns != "" {
		c.DNSNames = []string{dns}
	}
	return c
}

func request(c *x509.Certificate) *filter.Request {
	r := &filter.Request{Fields: &filter.Header{}}
	if c != nil {
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{c}}, PeerCertificates: []*x509.Certificate{c}}
	}
	return r
}

func TestCertificates(t *testing.T) {
	old := leaf("", "", "old")
	old.NotAfter = time.Now().Add(-time.Second)
	for _, c := range []struct {
		with string
		cert *x509.Certificate
		id   string // "": refused
	}{
		{`{}`, leaf("spiffe://shop/orders", "orders.shop", "orders"), "spiffe://shop/orders"},
		{`{}`, leaf("", "orders.shop", "orders"), "orders.shop"},
		{`{}`, leaf("", "", "orders"), "orders"},
		{`{}`, leaf("", "", ""), ""},
		{`{}`, leaf("", "", "or\nders"), ""},
		{`{}`, leaf("", "", " orders"), ""},
		{`{}`, nil, ""},
		{`{}`, old, ""},
		{`{"subject":["cn"]}`, leaf("spiffe://shop/orders", "", "orders"), "orders"},
		{`{"subject":["email"]}`, leaf("spiffe://shop/orders", "", "orders"), ""},
		{`{"allow":["spiffe://shop/*"]}`, leaf("spiffe://shop/orders", "", ""), "spiffe://shop/orders"},
		{`{"allow":["spiffe://shop/*"]}`, leaf("spiffe://shop/ns/orders", "", ""), "spiffe://shop/ns/orders"},
		{`{"allow":["spiffe://shop/*"]}`, leaf("spiffe://shopping/orders", "", ""), ""},
		{`{"allow":["spiffe://shop/*"]}`, leaf("spiffe://shop/", "", ""), ""},
		{`{"allow":["spiffe://shop/*/orders"]}`, leaf("spiffe://shop/eu/orders", "", ""), "spiffe://shop/eu/orders"},
		{`{"allow":["spiffe://shop/*/orders"]}`, leaf("spiffe://shop/eu/x/orders", "", ""), ""},
		{`{"allow":["*.partner.example"]}`, leaf("", "a.partner.example", ""), "a.partner.example"},
		{`{"allow":["*.partner.example"]}`, leaf("", "apartner.example", ""), ""},
		{`{"allow":["*.partner.example"]}`, leaf("", "a.partner.example.evil.example", ""), ""},
		{`{"allow":["a","b"]}`, leaf("", "", "b"), "b"},
		{`{"allow":["a","b"]}`, leaf("", "", "ab"), ""},
		{`{"issuers":["our CA"]}`, leaf("", "", "b"), "b"},
		{`{"issuers":["their CA"]}`, leaf("", "", "b"), ""},
	} {
		f, err := Make(context.Background(), filter.Env{}, json.RawMessage(c.with))
		if err != nil {
			t.Fatal(err)
		}
		r := request(c.cert)
		err = f.Request(context.Background(), r)
		if c.id == "" && problem.CodeOf(err) != problem.PermissionDenied || c.id != "" && err != nil || r.Subject.ID != c.id || r.Fields.Get("X-Auth-Subject") != c.id {
			t.Errorf("%s %+v: %v, subject %q, want %q", c.with, c.cert, err, r.Subject.ID, c.id)
		}
	}
}

// TestACertificateThatNobodyVerifiedIsNone is what a listener has that asks for certificates
// and does not verify them.
func TestACertificateThatNobodyVerifiedIsNone(t *testing.T) {
	for _, optional := range []bool{true, false} {
		r := request(leaf("", "", "orders"))
		r.TLS.VerifiedChains = nil
		if err := New(Config{Optional: optional}).Request(context.Background(), r); (err == nil) != optional || r.Subject.ID != "" {
			t.Errorf("optional %v: %v %q", optional, err, r.Subject.ID)
		}
	}
}

func TestClaimsOfACertificate(t *testing.T) {
	r := request(leaf("spiffe://shop/orders", "orders.shop", "orders"))
	if err := New(Config{}).Request(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"uri": "spiffe://shop/orders", "dns": "orders.shop", "cn": "orders", "serial": "ff", "email": "", "o": "", "none": ""} {
		if got := r.Subject.Claims.Claim(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	for with, field := range map[string]string{
		`{"subject":["san"]}`: "subject", `{"subject":["cn","cn"]}`: "subject", `{"allow":[""]}`: "allow", `{"allow":["***"]}`: "allow", `{"alow":[]}`: "",
	} {
		_, err := Make(context.Background(), filter.Env{}, json.RawMessage(with))
		if e := problem.From(err); err == nil || len(e.Details) == 0 || e.Details[0].Field != field {
			t.Errorf("%s: %v", with, err)
		}
	}
}

func FuzzLike(f *testing.F) {
	f.Add("spiffe://shop/*", "spiffe://shop/a")
	f.Add("*.b", "a.b")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 50 || len(name) > 50 {
			return
		}
		if like(name, name) != true && !containsStar(name) {
			t.Fatalf("%q is not like itself", name)
		}
		_ = like(pattern, name)
	})
}

func containsStar(s string) bool {
	for i := range len(s) {
		if s[i] == '*' {
			return true
		}
	}
	return false
}

func Example() {
	f := New(Config{Allow: []string{"spiffe://shop.example/*"}})
	u, _ := url.Parse("spiffe://shop.example/orders")
	cert := &x509.Certificate{URIs: []*url.URL{u}, NotAfter: time.Now().Add(time.Hour)}
	r := &filter.Request{Fields: &filter.Header{}, TLS: &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{cert}}}}
	fmt.Println(f.Request(context.Background(), r), r.Subject.ID)
	// Output: <nil> spiffe://shop.example/orders
}
