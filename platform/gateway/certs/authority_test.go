package certs

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	a, err := OpenAuthority(dir, []string{"shop.test", "*.shop.test"})
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	if pem, err := os.ReadFile(filepath.Join(dir, AuthorityFile)); err != nil || !trusted.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	now := time.Now()
	for asks, valid := range map[string][]string{
		"":               {"localhost", "127.0.0.1", "::1"},
		"localhost":      {"localhost", "127.0.0.1"},
		"shop.localhost": {"shop.localhost"},
		"shop.test":      {"shop.test"},
		"a.shop.test":    {"a.shop.test", "b.shop.test"},
	} {
		c, err := a.certificate(asks, now)
		if err != nil || c == nil {
			t.Errorf("%q: %v", asks, err)
			continue
		}
		for _, host := range valid {
			if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: trusted, DNSName: host, CurrentTime: now}); err != nil {
				t.Errorf("%q: %v", asks, err)
			}
		}
	}
	for _, name := range []string{"example.com", "a.b.shop.test", "test", "xshop.test"} {
		if c, err := a.certificate(name, now); c != nil || err != nil {
			t.Errorf("signed for %q: %v", name, err)
		}
	}
	if n := len(a.leafs); n != 4 {
		t.Errorf("%d leafs are kept for 4 patterns", n)
	}
	if s := a.status(); len(s) != 1 || s[0].Source != "local" {
		t.Errorf("the status says %+v", s)
	}
}

// A leaf is replaced before it ends, and used until then.
func TestLeafIsRenewed(t *testing.T) {
	a, err := OpenAuthority(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	at := func(after time.Duration) *tls.Certificate {
		c, err := a.certificate("localhost", now.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := at(0)
	if at(leafFor-leafLeast-time.Hour) != first {
		t.Error("renewed too soon")
	}
	next := at(leafFor - leafLeast + time.Hour)
	if next == first || !next.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Error("not renewed")
	}
}

// Edges that start at the same time have one authority, and a restart finds it again.
func TestOneAuthority(t *testing.T) {
	dir := t.TempDir()
	serials := make([]string, 8)
	var all sync.WaitGroup
	for i := range serials {
		all.Go(func() {
			a, err := OpenAuthority(dir, nil)
			if err != nil {
				t.Error(err)
				return
			}
			serials[i] = a.cert.SerialNumber.String()
		})
	}
	all.Wait()
	for _, s := range serials {
		if s != serials[0] {
			t.Fatalf("several authorities: %v", serials)
		}
	}
	info, err := os.Stat(filepath.Join(dir, secretFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has %v, %v", info.Mode(), err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("the folder has %v, %v", list, err)
	}
}

func TestAuthorityIsRefused(t *testing.T) {
	for what, harm := range map[string]func(path string) error{
		"others can read its key": func(path string) error { return os.Chmod(path, 0o644) },
		"cannot be used":          func(path string) error { return os.WriteFile(path, []byte("nothing"), 0o600) },
	} {
		dir := t.TempDir()
		if _, err := OpenAuthority(dir, nil); err != nil {
			t.Fatal(err)
		}
		if err := harm(filepath.Join(dir, secretFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAuthority(dir, nil); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %q", err, what)
		}
	}
}
