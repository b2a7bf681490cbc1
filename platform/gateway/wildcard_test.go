package gateway_test

import (
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/certs"
)

// tenants is a document of a route for all hosts below a domain, and one for a host among them.
const tenants = `{"routes":[
	{"host":"*.shop.test","path":"/","service":"a","versions":[{"version":"v1","weight":1}]},
	{"host":"admin.shop.test","path":"/","service":"a","versions":[{"version":"v2","weight":1}]}]}`

// Both engines route by the same wildcards, and the service sees the host that was asked.
func TestWildcardHosts(t *testing.T) {
	e := run(t, gateway.Config{Resolver: versions(t), Table: table(t, tenants)})
	both(t, func(t *testing.T, ask func(string, string, io.Reader, ...string) (*http.Response, string)) {
		for host, want := range map[string]string{
			"anna.shop.test": "one GET /x anna.shop.test  0", "a.b.Shop.Test.:8080": "one GET /x a.b.Shop.Test.:8080  0", "admin.shop.test": "two GET /x admin.shop.test  0",
			"shop.test": `"not_found"`, "xshop.test": `"not_found"`, "shop.test.example": `"not_found"`, "*.shop.test": `"invalid_argument"`, ".shop.test": `"invalid_argument"`,
		} {
			if res, text := ask("GET", e.url+"/x", nil, "Host", host); !strings.Contains(text, want) {
				t.Errorf("%s: %s %q, want %q", host, res.Status, text, want)
			}
		}
	})
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	if log := e.log.String(); !strings.Contains(log, `"host":"anna.shop.test"`) || !strings.Contains(log, `"route":"*.shop.test/"`) {
		t.Errorf("the access log has not host and route: %s", log)
	}
}

// A wildcard of the local authority is shown for each name below it with one label more.
func TestWildcardByTLS(t *testing.T) {
	reg := versions(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run(t, gateway.Config{
		Resolver: reg, StateDir: dir, TLSListener: l, Table: table(t, tenants),
		TLS: &certs.Config{Local: &certs.Local{Hosts: []string{"*.shop.test"}}},
	})
	pem, err := os.ReadFile(filepath.Join(dir, "tls", certs.AuthorityFile))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	for _, http2 := range []bool{false, true} {
		for host, want := range map[string]string{"anna.shop.test": "one GET / anna.shop.test  0", "admin.shop.test": "two GET / admin.shop.test  0", "a.b.shop.test": ""} {
			res, err := toAddr(l.Addr().String(), trusted, http2).Get("https://" + host + "/")
			if err != nil {
				if want != "" || !strings.Contains(err.Error(), "unrecognized name") {
					t.Errorf("%s: %v", host, err)
				}
				continue
			}
			text, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || string(text) != want {
				t.Errorf("%s: %q, %v; want %q", host, text, err, want)
			}
		}
	}
}
