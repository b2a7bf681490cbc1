package credential_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/credential"
)

func place(t testing.TB, text string) (p credential.Place) {
	t.Helper()
	if err := json.Unmarshal([]byte(`"`+text+`"`), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func request(query string, fields ...string) *filter.Request {
	h := &filter.Header{}
	for i := 0; i+1 < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return &filter.Request{Query: query, Fields: h}
}

func TestPlaces(t *testing.T) {
	twice := credential.ErrTwice.Error()
	for _, c := range []struct {
		place string
		r     *filter.Request
		want  string
		left  string // of the request, once the credential was taken away
	}{
		{"bearer", request(""), "", ""},
		{"bearer", request("", "Authorization", "Bearer abc"), "abc", ""},
		{"bearer", request("", "authorization", "bEARER   abc"), "abc", ""},
		{"bearer", request("", "Authorization", "Bearer"), "", ""},
		{"bearer", request("", "Authorization", "Bearerabc"), "", ""},
		{"bearer", request("", "Authorization", "Basic abc"), "", ""},
		{"bearer", request("", "Authorization", "Basic abc", "Authorization", "Bearer abc"), twice, ""},
		{"header X-Key", request("", "x-key", "abc", "A", "b"), "abc", "A: b"},
		{"header X-Key", request("", "X-Key", "abc", "X-KEY", "abc"), twice, ""},
		{"header X-Key", request("", "X_Key", "abc"), "", ""},
		{"cookie sid", request("", "Cookie", "a=b; sid=x; c=d"), "x", "Cookie: a=b; c=d"},
		{"cookie sid", request("", "Cookie", "sid=x"), "x", ""},
		{"cookie sid", request("", "Cookie", " sid = x ;a=b"), "x", "Cookie: a=b"},
		{"cookie sid", request("", "Cookie", "a=b", "Cookie", "sid=x"), "x", "Cookie: a=b"},
		{"cookie sid", request("", "Cookie", "sid=x; sid=y"), twice, ""},
		{"cookie sid", request("", "Cookie", "asid=x; SID=y"), "", ""},
		{"query key", request("key=a%20b&x=1"), "a b", "?x=1"},
		{"query key", request("x=1&k%65y=v&&y"), "v", "?x=1&&y"},
		{"query key", request("key=a&key=b"), twice, ""},
		{"query key", request("Key=a&keys=b"), "", ""},
		{"query key", request("key=%zz"), "%zz", ""},
	} {
		got, at, err := credential.Find([]credential.Place{place(t, c.place)}, c.r)
		if err != nil {
			if !errors.Is(err, credential.ErrTwice) || c.want != twice {
				t.Errorf("%s in %+v: %v", c.place, c.r, err)
			}
			continue
		}
		if got != c.want {
			t.Errorf("%s in %+v: %q, want %q", c.place, c.r, got, c.want)
		}
		if got == "" {
			continue
		}
		at.Strip(c.r)
		var left []string
		c.r.Fields.Each(func(name, value string) bool {
			left = append(left, name+": "+value)
			return true
		})
		if c.r.Query != "" {
			left = append(left, "?"+c.r.Query)
		}
		if strings.Join(left, "\n") != c.left {
			t.Errorf("%s: left %q, want %q", c.place, left, c.left)
		}
	}
	both := []credential.Place{place(t, "bearer"), place(t, "query key")}
	if _, _, err := credential.Find(both, request("key=a", "Authorization", "Bearer b")); !errors.Is(err, credential.ErrTwice) {
		t.Errorf("in two places: %v", err)
	}
}

func TestWhatIsNoPlace(t *testing.T) {
	for _, text := range []string{`""`, `7`, `"header"`, `"header "`, `"header a b"`, `"header Authorization"`, `"header Content-Length"`, `"header x_forwarded_for"`, `"basic"`, `"Bearer"`, `"cookie a;b"`} {
		var p credential.Place
		if err := json.Unmarshal([]byte(text), &p); err == nil {
			t.Errorf("%s was taken as %s", text, p)
		}
	}
	for _, text := range []string{"bearer", "header X-Key", "cookie sid", "query access_token"} {
		if out, err := json.Marshal(place(t, text)); err != nil || string(out) != `"`+text+`"` {
			t.Errorf("%s written as %s %v", text, out, err)
		}
	}
}

func TestUntouchable(t *testing.T) {
	for name, want := range map[string]bool{
		"Content-Length": true, "content_length": true, "HOST": true, "X_Forwarded_For": true, "X-Auth-Subject": true, "x_auth_scopes": true, "X-Auth-Request-User": false, "Transfer-Encoding": true,
		"X-User": false, "X-Authority": false, "Authorization": false,
	} {
		if credential.Untouchable(name) != want || credential.Tellable(name) == want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if credential.Tellable("a b") || credential.Tellable("") {
		t.Error("no name is told")
	}
}

func FuzzFind(f *testing.F) {
	f.Add("a=b; sid=x", "key=a&b=c%20")
	f.Add(";;=;sid", "&&=&key")
	f.Fuzz(func(t *testing.T, cookie, query string) {
		r := request(query, "Cookie", cookie)
		for _, text := range []string{"cookie sid", "query key"} {
			p := place(t, text)
			if _, err := p.Find(r); err != nil && !errors.Is(err, credential.ErrTwice) {
				t.Fatal(err)
			}
			p.Strip(r)
			if found, err := p.Find(r); found != "" || err != nil {
				t.Fatalf("%s: %q is left of %q %q", text, found, cookie, query)
			}
		}
	})
}

func ExampleChallenge() {
	fmt.Println(credential.Challenge{Scheme: "Bearer", Realm: `the "shop"`, Code: "insufficient_scope", Scope: "orders.write"})
	// Output: Bearer realm="the shop", error="insufficient_scope", scope="orders.write"
}

func ExampleFind() {
	r := &filter.Request{Fields: &filter.Header{{Name: "Authorization", Value: "Bearer abc"}}}
	token, at, err := credential.Find([]credential.Place{credential.Bearer()}, r)
	fmt.Println(token, at, err)
	// Output: abc bearer <nil>
}
