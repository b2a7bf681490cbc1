package keys

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// published is an issuer without a network.
type published struct {
	mu    sync.Mutex
	keys  []*Key
	err   error
	slow  time.Duration
	asked atomic.Int64
}

func (p *published) fetch(ctx context.Context) ([]*Key, error) {
	p.asked.Add(1)
	select {
	case <-time.After(p.slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys, p.err
}

// say changes the answer.
func (p *published) say(err error, keys ...*Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys, p.err = keys, err
}

func key(id string) *Key {
	return &Key{ID: id, alg: "EdDSA", key: ed25519.PublicKey(make([]byte, 32)), sum: id}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestKeeperAsksSeldomForUnknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &published{keys: []*Key{key("a")}}
		k := New(t.Context(), Config{Fetch: p.fetch, Log: quiet()})
		defer k.Close()
		synctest.Wait()
		for range 100 {
			if _, err := k.Find(t.Context(), "made up", "EdDSA"); !errors.Is(err, ErrUnknown) {
				t.Fatal(err)
			}
		}
		if p.asked.Load() != 1 {
			t.Errorf("asked %d times, want once", p.asked.Load())
		}
		p.say(nil, key("a"), key("b"))
		time.Sleep(10 * time.Second)
		for range 100 {
			_, _ = k.Find(t.Context(), "made up", "EdDSA")
		}
		if found, err := k.Find(t.Context(), "b", "EdDSA"); err != nil || len(found) != 1 || p.asked.Load() != 2 {
			t.Errorf("%v %v, asked %d times, want 2", found, err, p.asked.Load())
		}
	})
}

func TestKeeperKeepsKeysWhileTheIssuerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &published{err: errors.New("away")}
		k := New(t.Context(), Config{Fetch: p.fetch, Log: quiet()})
		if _, err := k.Find(t.Context(), "a", "EdDSA"); !errors.Is(err, ErrAway) {
			t.Errorf("before there were any: %v", err)
		}
		p.say(nil, key("a"))
		time.Sleep(2 * time.Second) // it asks again soon
		synctest.Wait()
		p.say(errors.New("away"), key("a"))
		time.Sleep(24 * time.Hour)
		found, err := k.Find(t.Context(), "a", "EdDSA")
		if err != nil || found[0].Gone() {
			t.Errorf("after a day: %v", err)
		}
		k.Close()
		if found, err := k.Find(t.Context(), "a", "EdDSA"); err != nil || len(found) != 1 {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestKeysAreThereAfterARestart(t *testing.T) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: "a", Algorithm: "EdDSA"}}})
	if err != nil {
		t.Fatal(err)
	}
	known, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "jwks", "a.json")
	synctest.Test(t, func(t *testing.T) {
		k := New(t.Context(), Config{Fetch: (&published{keys: known}).fetch, File: file, Log: quiet()})
		synctest.Wait()
		k.Close()
		away := &published{err: errors.New("away")}
		k = New(t.Context(), Config{Fetch: away.fetch, File: file, Log: quiet()})
		synctest.Wait()
		if found, err := k.Find(t.Context(), "a", "EdDSA"); err != nil || len(found) != 1 {
			t.Errorf("%v %v", found, err)
		}
		away.say(nil) // the issuer is back, without a key
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if _, err := k.Find(t.Context(), "a", "EdDSA"); !errors.Is(err, ErrUnknown) {
			t.Errorf("what was taken back counts: %v", err)
		}
		k.Close()
		if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
			t.Fatal(err)
		}
		k = New(t.Context(), Config{Fetch: (&published{keys: known}).fetch, File: file, Log: quiet()})
		defer k.Close()
		synctest.Wait()
		if _, err := k.Find(t.Context(), "a", "EdDSA"); err != nil {
			t.Errorf("with a file that was spoilt: %v", err)
		}
	})
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

func TestKeeperDropsWhatTheIssuerTakesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes atomic.Int64
		a, b := key("a"), key("b")
		p := &published{keys: []*Key{a, b}}
		k := New(t.Context(), Config{Fetch: p.fetch, Log: quiet(), Refresh: time.Minute, Changed: func() { changes.Add(1) }})
		defer k.Close()
		synctest.Wait()
		again := key("b") // the same key, fetched again
		p.say(nil, again, key("c"))
		time.Sleep(time.Minute)
		synctest.Wait()
		found, err := k.Find(t.Context(), "b", "EdDSA")
		if err != nil || found[0] != b || b.Gone() || !a.Gone() || changes.Load() != 2 {
			t.Errorf("%v %v, a gone: %v, b gone: %v, %d changes", found, err, a.Gone(), b.Gone(), changes.Load())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if changes.Load() != 2 {
			t.Errorf("%d changes, want 2: nothing has changed since", changes.Load())
		}
	})
}

func TestNobodyWaitsLongForKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &published{slow: time.Hour}
		k := New(t.Context(), Config{Fetch: p.fetch, Log: quiet()})
		defer k.Close()
		began := time.Now()
		_, err := k.Find(t.Context(), "a", "EdDSA")
		if took := time.Since(began); !errors.Is(err, ErrAway) || took != maxWait {
			t.Errorf("%v after %s", err, took)
		}
	})
}

func TestRenewFindsNamelessKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &published{keys: []*Key{key("")}}
		k := New(t.Context(), Config{Fetch: p.fetch, Log: quiet()})
		defer k.Close()
		synctest.Wait()
		other := key("")
		other.sum = "other"
		p.say(nil, other)
		if k.Renew(t.Context()) {
			t.Error("it asked too early")
		}
		time.Sleep(10 * time.Second)
		if !k.Renew(t.Context()) || k.Renew(t.Context()) {
			t.Error("the new key is not seen once")
		}
	})
}

func TestParseLeavesOutWhatIsNoGoodKey(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := func(k jose.JSONWebKey) json.RawMessage {
		b, err := k.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	all, err := json.Marshal(map[string]any{"keys": []any{
		text(jose.JSONWebKey{Key: private.Public(), KeyID: "good", Algorithm: "EdDSA"}),
		text(jose.JSONWebKey{Key: curve, KeyID: "a private one"}),
		text(jose.JSONWebKey{Key: []byte("a secret that was published, of 32"), KeyID: "secret"}),
		text(jose.JSONWebKey{Key: private.Public(), KeyID: "for encryption", Use: "enc"}),
		map[string]string{"kty": "OKP", "crv": "Ed448", "x": "AA", "kid": "unknown curve"},
		map[string]string{"kty": "RSA", "n": strings.Repeat("w", 86), "e": "AQAB", "kid": "512 bits"},
		map[string]string{"kid": "nothing"},
		7,
	}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := Parse(all)
	if err != nil || len(keys) != 2 || keys[0].ID != "good" || !keys[0].Fits("EdDSA") || keys[0].Fits("HS256") || !keys[1].Fits("ES256") || keys[1].Fits("ES384") {
		t.Errorf("%+v %v", keys, err)
	}
	if keys, err := Parse([]byte(`{"keys":[]}`)); err != nil || keys == nil || len(keys) != 0 {
		t.Errorf("an issuer without keys: %v %v", keys, err)
	}
	for _, bad := range []string{"", "{}", "[]", `{"keys":7}`, `{"keys":[7]}`, `{"keys":[` + strings.Repeat("{},", MaxKeys) + `{}]}`} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%.20s: no error", bad)
		}
	}
}

func TestFetchTrustsNobodyOnTheWay(t *testing.T) {
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	defer s.Close()
	answers := map[string]string{
		"/good": `{"issuer":"` + s.URL + `/good","jwks_uri":"` + s.URL + `/keys"}`, "/other": `{"issuer":"https://other.example","jwks_uri":"` + s.URL + `/keys"}`,
		"/out": `{"issuer":"` + s.URL + `/out","jwks_uri":"http://192.0.2.1/keys"}`, "/none": `{"issuer":"` + s.URL + `/none"}`, "/html": `<html>`,
		"/long": strings.Repeat(" ", MaxSet+1),
	}
	for path, body := range answers {
		mux.HandleFunc(path+"/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	}
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) })
	mux.HandleFunc("/away/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
	})
	for path, want := range map[string]string{
		"/good": "", "/other": "calls itself", "/out": "must begin with https", "/none": "jwks_uri is missing", "/html": "no configuration", "/long": "larger than",
		"/away": "must begin with https", "/missing": "404",
	} {
		_, err := Discover(s.Client(), s.URL+path, false)(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"oct","k":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := Parse(text)
		for _, k := range keys {
			if err != nil || k.Fits("HS256") || k.Fits("none") || k.Fits("") {
				t.Fatalf("%s: %+v %v", text, k, err)
			}
		}
	})
}
