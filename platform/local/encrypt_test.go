package local

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes one for a.example and its key, NAME.pem and NAME-key.pem, beside a fleet's file.
func certificate(t *testing.T, dir, name string, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.example"}, NotBefore: until.Add(-30 * 24 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + "-key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What is wrong with certificates is said where the fleet's file names them, also where an
// environment has others in their place.
func TestCheckTLS(t *testing.T) {
	f := declared(t, `
fleet: shop
edge:
  tls:
    files:
      - {cert: none.pem, key: past-key.pem}
      - {cert: past.pem, key: past-key.pem}
      - {cert: soon.pem, key: soon-key.pem}
      - {cert: past.pem, key: soon-key.pem}
    clients: {authorities: none.pem}
services:
  web: {run: ./web, route: /}
`)
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	certificate(t, f.Dir, "past", now)
	certificate(t, f.Dir, "soon", now.Add(10*24*time.Hour))
	got := CheckTLS(f, now.Add(time.Minute))
	for _, c := range []struct {
		err  error
		want []string
	}{
		{got.Unusable, []string{":6:10: tls.files[0].cert: ", ":9:9: tls.files[3]: ", ":10:15: tls.clients.authorities: "}},
		{got.Refused, []string{":7:10: tls.files[1].cert: the certificate " + filepath.Join(f.Dir, "past.pem") + " expired on 2030-01-02; renew it"}},
		{got.Ending, []string{":8:10: tls.files[2].cert: the certificate " + filepath.Join(f.Dir, "soon.pem") + " expires on 2030-01-12; renew it"}},
	} {
		if c.err == nil {
			t.Errorf("nothing was found, want %q", c.want)
			continue
		}
		lines := strings.Split(c.err.Error(), "\n")
		for i, want := range c.want {
			if len(lines) != len(c.want) || !strings.Contains(lines[i], "muster.yaml"+want) {
				t.Errorf("found\n%v\nwant %q", c.err, want)
			}
		}
	}
	for _, text := range []string{"edge: {tls: local}", "edge: {}"} {
		if got := CheckTLS(declared(t, "fleet: f\nservices: {web: {run: ./web}}\n"+text), now); got != (Certificates{}) {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
