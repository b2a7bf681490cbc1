package jwt

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/musterdev/muster/problem"
)

func TestRevocations(t *testing.T) {
	p := newPair(t, "k1", jose.ES256)
	path := filepath.Join(t.TempDir(), "denied")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	f := inline(t, func(c *Config) { c.Denied = path }, p)
	now := time.Now()
	token := p.token(t, at, says{"jti": "t-7", "sid": "s-7"})
	bob := p.token(t, at, says{"sub": "bob", "iat": now.Unix() - 600})
	check(t, f, token, "")
	check(t, f, bob, "")

	if err := f.Revoke(Revocation{Subject: "bob", Before: now}); err != nil {
		t.Fatal(err)
	}
	check(t, f, bob, problem.Unauthenticated)
	check(t, f, p.token(t, at, says{"sub": "bob", "iat": now.Unix() + 1}), "") // a new login
	check(t, f, token, "")

	write("{\"jti\": \"t-7\"}\n")
	within(t, func() bool { _, err := ask(f, token); return err != nil })
	for _, bad := range []string{"this is no revocation\n", "{}", `{"jti":""}`, `{"jti":"a","sub":"b"}`, `{"jti":"a"} {"jti":"b"}`, `{"tji":"a"}`, `{"jti":"a","before":"2026-11-23T00:00:00Z"}`} {
		if f.denied.setFile([]byte("{\"jti\": \"t-8\"}\n\n"+bad)) == nil {
			t.Errorf("%s was taken", bad)
		}
		check(t, f, token, problem.Unauthenticated) // what was said before still counts
	}
	if err := f.denied.setFile(nil); err != nil {
		t.Fatal(err)
	}
	check(t, f, token, "")
	check(t, f, bob, problem.Unauthenticated)

	if err := f.Revoke(Revocation{Session: "s-7", Issuer: "https://other.example"}); err != nil {
		t.Fatal(err)
	}
	check(t, f, token, "")
	if err := f.Revoke(Revocation{Session: "s-7", Issuer: at}); err != nil {
		t.Fatal(err)
	}
	check(t, f, token, problem.Unauthenticated)
	for _, r := range []Revocation{{}, {ID: "a", Subject: "b"}, {ID: "a", Before: now}} {
		if problem.CodeOf(f.Revoke(r)) != problem.InvalidArgument {
			t.Errorf("%+v was taken", r)
		}
	}
}

func TestSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	secret := []byte("0123456789abcdef0123456789abcdef")
	if err := os.WriteFile(path, append(secret, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFilter(t, Config{Issuer: Issuer{Name: at, Audience: []string{"shop"}, SecretFile: path}})
	check(t, f, hmacToken(t, secret, jose.HS256), "")
	check(t, f, hmacToken(t, []byte("another secret of at least 32 bytes"), jose.HS256), problem.Unauthenticated)
	check(t, f, newPair(t, "k1", jose.ES256).token(t, at, nil), problem.Unauthenticated)

	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(context.Background(), env(), Config{Issuer: Issuer{Name: at, AnyAudience: true, SecretFile: path}}); problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("a short secret was taken: %v", err)
	}
}
