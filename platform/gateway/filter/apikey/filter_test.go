package apikey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/credential"
	"github.com/musterdev/muster/platform/gateway/filter/require"
	"github.com/musterdev/muster/problem"
)

func hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func env() filter.Env {
	return filter.Env{Name: "partners", Log: slog.New(slog.DiscardHandler)}
}

func newFilter(t testing.TB, cfg Config) *Filter {
	t.Helper()
	f, err := New(env(), cfg)
	if err != nil {
		t.Fatalf("%v %+v", err, problem.From(err).Details)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func request(fields ...string) *filter.Request {
	h := &filter.Header{}
	for i := 0; i+1 < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return &filter.Request{Fields: h, Began: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

func TestKeys(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f := newFilter(t, Config{
		Keys: []Key{
			{Hash: hash("good"), Owner: "acme", Name: "ci", Scopes: []string{"orders.read"}, Claims: map[string]string{"plan": "gold"}},
			{Hash: strings.ToUpper(hash("upper")), Owner: "upper", Scopes: []string{"orders.read"}},
			{Hash: hash("ends"), Owner: "acme", Scopes: []string{"orders.read"}, Expires: noon},
			{Hash: hash("ends later"), Owner: "acme", Scopes: []string{"orders.read"}, Expires: noon.Add(time.Second)},
			{Hash: hash("off"), Owner: "acme", Scopes: []string{"orders.read"}, Disabled: true},
			{Hash: hash("weak"), Owner: "acme"},
		},
		Rules: require.Rules{Scopes: []string{"orders.read"}},
		Tell:  map[string]string{"X-Plan": "plan"},
	})
	for key, code := range map[string]problem.Code{
		"good": "", "upper": "", "ends later": "", "weak": problem.PermissionDenied,
		"": problem.Unauthenticated, "ends": problem.Unauthenticated, "off": problem.Unauthenticated, "bad": problem.Unauthenticated, hash("good"): problem.Unauthenticated,
		"good ": problem.Unauthenticated, "Good": problem.Unauthenticated, strings.Repeat("a", maxKey+1): problem.Unauthenticated,
	} {
		r := request("X-Api-Key", key)
		err := f.Request(context.Background(), r)
		if got := problem.CodeOf(err); err == nil && code != "" || err != nil && got != code {
			t.Errorf("%.20q: %v, want %q", key, err, code)
		}
		if (code == problem.Unauthenticated) != (r.Reply.Get("WWW-Authenticate") == `ApiKey realm="partners"`) {
			t.Errorf("%.20q: challenge %v", key, r.Reply)
		}
		if (r.Subject.ID != "") != (code == "") {
			t.Errorf("%.20q: subject %q", key, r.Subject.ID)
		}
	}
	r := request("X-API-Key", "good", "A", "b")
	if err := f.Request(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	want := filter.Header{
		{Name: "A", Value: "b"},
		{Name: "X-Auth-Subject", Value: "acme"},
		{Name: "X-Auth-By", Value: "key"},
		{Name: "X-Auth-Scopes", Value: "orders.read"},
		{Name: "X-Plan", Value: "gold"},
	}
	if got := *r.Fields.(*filter.Header); !slices.Equal(got, want) {
		t.Errorf("the service is told %v, want %v", got, want)
	}
	if r.Subject.Claims.Claim("owner") != "acme" || r.Subject.Claims.Claim("key") != "ci" || r.Subject.Claims.Claim("none") != "" {
		t.Errorf("%+v", r.Subject)
	}
	if err := f.Request(context.Background(), request("X-API-Key", "good", "X-API-Key", "weak")); problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("two keys: %v", err)
	}
}

func TestOptionalForwardAndPlaces(t *testing.T) {
	var query credential.Place
	if err := query.UnmarshalJSON([]byte(`"query key"`)); err != nil {
		t.Fatal(err)
	}
	f := newFilter(t, Config{Keys: []Key{{Hash: hash("a b"), Owner: "acme"}}, From: []credential.Place{query, credential.Bearer()}, Optional: true, Forward: true})
	r := request()
	if err := f.Request(context.Background(), r); err != nil || r.Subject.ID != "" {
		t.Errorf("without a key: %v %q", err, r.Subject.ID)
	}
	r.Query = "x=1&key=a%20b"
	if err := f.Request(context.Background(), r); err != nil || r.Subject.ID != "acme" || r.Query != "x=1&key=a%20b" {
		t.Errorf("in the query: %v %q %q", err, r.Subject.ID, r.Query)
	}
	r = request("Authorization", "Bearer no")
	if err := f.Request(context.Background(), r); problem.CodeOf(err) != problem.Unauthenticated || r.Reply.Get("WWW-Authenticate") != `Bearer realm="partners"` {
		t.Errorf("a bad one: %v %v", err, r.Reply)
	}
}

func TestAFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	one := fmt.Sprintf(`{"keys":[{"sha256":%q,"owner":"acme"}]}`, hash("one"))
	write(one)
	f := newFilter(t, Config{File: path, Keys: []Key{{Hash: hash("inline"), Owner: "us"}}})
	holds := func(key string) bool { return f.Request(context.Background(), request("X-API-Key", key)) == nil }
	if !holds("one") || !holds("inline") || holds("two") {
		t.Fatal("the file was not read")
	}
	within := func(cond func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it did not come to pass within 10 s")
			}
		}
	}
	write(strings.Replace(one, hash("one"), hash("two"), 1))
	within(func() bool { return holds("two") })
	if holds("one") || !holds("inline") {
		t.Error("a key that was taken out counts, or one beside the file does not")
	}
	for _, bad := range []string{"", "{}", `{"keys":[{}]}`, `{"keys":[],"more":1}`, `{"keys":[]} []`, one[:len(one)-2] + "," + one[9:]} {
		if err := f.load([]byte(bad)); err == nil || !holds("two") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestConfig(t *testing.T) {
	for with, field := range map[string]string{
		`{}`:                                     "file",
		`{"kyes":[]}`:                            "",
		`{"file":"/x/none"}`:                     "file",
		`{"keys":[{"sha256":"ab","owner":"a"}]}`: "keys",
		`{"keys":[{"sha256":"` + hash("a") + `","owner":"a "}]}`:                                "keys",
		`{"keys":[{"sha256":"` + hash("a") + `","owner":"a","scopes":["a b"]}]}`:                "keys",
		`{"keys":[{"sha256":"` + hash("a") + `","owner":"a"}],"tell":{"X-Auth-Subject":"key"}}`: "tell",
		`{"keys":[{"sha256":"` + hash("a") + `","owner":"a"}],"from":["basic"]}`:                "",
		`{"keys":[{"sha256":"` + hash("a") + `","owner":"a"}],"scopes":["a b"]}`:                "scopes",
	} {
		_, err := Make(context.Background(), env(), json.RawMessage(with))
		if e := problem.From(err); err == nil || e.Code != problem.InvalidArgument || len(e.Details) == 0 || e.Details[0].Field != field {
			t.Errorf("%s: %v %+v", with, err, e)
		}
	}
	e := env()
	e.Check = true
	if _, err := Make(context.Background(), e, json.RawMessage(`{"file":"/x/none"}`)); err == nil {
		t.Error("a check does not find that there is no file, and an edge would not start")
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"keys":[{"sha256":"` + hash("a") + `","owner":"a","expires":"2026-11-23T00:00:00Z"}]}`))
	f.Add([]byte(`{"keys":[{"sha256":"","owner":"\n"}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		k := &Filter{}
		if err := k.load(content); err != nil {
			return
		}
		for _, e := range *k.keys.Load() {
			for _, field := range e.told {
				if !filter.ValidValue(field.Value) {
					t.Fatalf("a field that cannot be: %q", field)
				}
			}
		}
	})
}

func BenchmarkRequest(b *testing.B) {
	f := newFilter(b, Config{Keys: []Key{{Hash: hash("good"), Owner: "acme"}}, Forward: true})
	r := request("X-API-Key", "good")
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Request(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func Example() {
	key := "kx7PqLr2bC9e" // given to its owner; the edge has its hash
	f, err := New(filter.Env{Name: "partners", Log: slog.Default()}, Config{Keys: []Key{{Hash: hash(key), Owner: "acme"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	r := &filter.Request{Fields: &filter.Header{{Name: "X-API-Key", Value: key}}}
	fmt.Println(f.Request(context.Background(), r), r.Fields.Get("X-Auth-Subject"))
	// Output: <nil> acme
}
