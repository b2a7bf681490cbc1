package certs_test

import (
	"crypto/x509"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/certs"
)

func TestExamine(t *testing.T) {
	dir, r, now := t.TempDir(), newRoot(t), time.Now()
	until := func(name string, left time.Duration) certs.Pair {
		cert, key := r.issue(t, now.Add(left), x509.ExtKeyUsageServerAuth, name+".example")
		p := certs.Pair{Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+"-key.pem")}
		write(t, p.Cert, cert)
		write(t, p.Key, key)
		return p
	}
	const day = 24 * time.Hour
	good, other := until("good", 15*day), until("other", 15*day)
	nameless := r.pair(t, dir, "nameless")
	roots, empty := filepath.Join(dir, "roots.pem"), filepath.Join(dir, "empty.pem")
	r.write(t, roots)
	write(t, empty, nil)
	none := filepath.Join(dir, "none.pem")

	for _, c := range []struct {
		name string
		cfg  certs.Config
		want []string // grade, field, and what the reason has
	}{
		{"good", certs.Config{Files: []certs.Pair{good}, Default: "good.example", Clients: &certs.Clients{Ask: certs.Optional, Authorities: roots}}, nil},
		{"nothing there", certs.Config{Files: []certs.Pair{good, {Cert: none, Key: dir}}, Default: "none.example"}, []string{
			"0 tls.files[1].cert: " + none + " does not exist", "0 tls.files[1].key: " + dir + " is a folder",
		}},
		{"another's key", certs.Config{Files: []certs.Pair{{Cert: good.Cert, Key: other.Key}}}, []string{"0 tls.files[0]: the certificate " + good.Cert}},
		{"no certificate", certs.Config{Files: []certs.Pair{{Cert: empty, Key: good.Key}}}, []string{"0 tls.files[0]: the certificate " + empty}},
		{"no names", certs.Config{Files: []certs.Pair{nameless}}, []string{"0 tls.files[0]: the certificate " + nameless.Cert + " names no host"}},
		{"times", certs.Config{Files: []certs.Pair{until("past", -time.Minute), until("soon", 13*day), good}}, []string{
			"1 tls.files[0].cert: the certificate " + dir + "/past.pem expired on " + now.Add(-time.Minute).UTC().Format(time.DateOnly),
			"2 tls.files[1].cert: the certificate " + dir + "/soon.pem expires on " + now.Add(13*day).UTC().Format(time.DateOnly),
		}},
		{"default", certs.Config{Files: []certs.Pair{good}, Default: "x.good.example"}, []string{`0 tls.default: there is no certificate for "x.good.example"`}},
		{"default of the local authority", certs.Config{Local: &certs.Local{Hosts: []string{"*.shop.test"}}, Default: "A.shop.test"}, nil},
		{"default, this machine", certs.Config{Local: &certs.Local{}, Default: "localhost"}, nil},
		{"default that is ordered", certs.Config{Automatic: &certs.Automatic{Hosts: []string{"a.example"}}, Default: "a.example"}, nil},
		{"authorities", certs.Config{
			Automatic: &certs.Automatic{Hosts: []string{"a.example"}, Roots: none}, Clients: &certs.Clients{Ask: certs.Required, Authorities: empty},
		}, []string{"0 tls.automatic.roots: " + none + " does not exist", "0 tls.clients.authorities: " + empty + " holds no certificate"}},
	} {
		found := certs.Examine(c.cfg, now)
		ok := len(found) == len(c.want)
		for i := range min(len(found), len(c.want)) {
			ok = ok && strings.HasPrefix(fmt.Sprintf("%d %s: %s", found[i].Grade, found[i].Field, found[i].Reason), c.want[i])
		}
		if !ok {
			t.Errorf("%s: found %+v\nwant %q", c.name, found, c.want)
		}
	}
	if found := certs.Examine(certs.Config{Files: []certs.Pair{good}}, now.Add(-3*time.Hour)); len(found) != 1 || found[0].Grade != certs.Refused {
		t.Errorf("before it counts: %+v", found)
	}
}

func ExampleExamine() {
	cfg := certs.Config{Files: []certs.Pair{{Cert: "/no/such/cert.pem", Key: "/no/such/key.pem"}}}
	for _, f := range certs.Examine(cfg, time.Now()) {
		fmt.Println(f.Grade == certs.Unusable, f.Field, f.Reason)
	}
	// Output:
	// true tls.files[0].cert /no/such/cert.pem does not exist; create the file, or correct the path
	// true tls.files[0].key /no/such/key.pem does not exist; create the file, or correct the path
}
