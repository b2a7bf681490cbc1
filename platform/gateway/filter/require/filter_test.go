package require_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/require"
	"github.com/musterdev/muster/problem"
)

type said map[string]string

func (s said) Claim(name string) string { return s[name] }

func TestRequire(t *testing.T) {
	alice := filter.Subject{ID: "alice", By: "jwt", Scopes: []string{"a", "b"}, Claims: said{"plan": "gold"}}
	for _, c := range []struct {
		with    string
		subject filter.Subject
		code    problem.Code
	}{
		{`{}`, alice, ""},
		{`{}`, filter.Subject{}, problem.Unauthenticated},
		{`{"scopes":["a"]}`, alice, ""},
		{`{"scopes":["a","c"]}`, alice, problem.PermissionDenied},
		{`{"claims":{"plan":["silver","gold"]}}`, alice, ""},
		{`{"claims":{"plan":["silver"]}}`, alice, problem.PermissionDenied},
		{`{"claims":{"plan":["gold"],"tenant":["acme"]}}`, alice, problem.PermissionDenied},
		{`{"claims":{"plan":["gold"]}}`, filter.Subject{ID: "bob"}, problem.PermissionDenied},
		{`{"by":["jwt"]}`, alice, ""},
		{`{"by":["mtls"]}`, alice, problem.PermissionDenied},
		{`{"subjects":["alice"]}`, alice, ""},
		{`{"subjects":["bob"]}`, alice, problem.PermissionDenied},
	} {
		f, err := require.Make(context.Background(), filter.Env{}, json.RawMessage(c.with))
		if err != nil {
			t.Fatal(err)
		}
		r := &filter.Request{Fields: &filter.Header{}, Subject: c.subject}
		err = f.Request(context.Background(), r)
		if got := problem.CodeOf(err); err == nil && c.code != "" || err != nil && got != c.code {
			t.Errorf("%s of %+v: %v, want %q", c.with, c.subject, err, c.code)
		}
		if (c.code == problem.Unauthenticated) != (r.Reply.Get("WWW-Authenticate") == "Bearer") {
			t.Errorf("%s: %v", c.with, r.Reply)
		}
	}
	for with, field := range map[string]string{`{"scopes":[""]}`: "scopes", `{"claims":{"":["a"]}}`: "claims", `{"by":["me"]}`: "by", `{"scope":["a"]}`: ""} {
		_, err := require.Make(context.Background(), filter.Env{}, json.RawMessage(with))
		if e := problem.From(err); err == nil || len(e.Details) == 0 || e.Details[0].Field != field {
			t.Errorf("%s: %v", with, err)
		}
	}
}

func Example() {
	f := require.New(require.Config{Rules: require.Rules{Scopes: []string{"orders.write"}}})
	r := &filter.Request{Fields: &filter.Header{}, Subject: filter.Subject{ID: "alice", By: "jwt", Scopes: []string{"orders.read"}}}
	fmt.Println(f.Request(context.Background(), r))
	fmt.Println(r.Reply.Get("WWW-Authenticate"))
	// Output:
	// permission_denied: scopes are missing: orders.write
	// Bearer error="insufficient_scope", scope="orders.write"
}
