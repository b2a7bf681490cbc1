package jwt

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/credential"
	"github.com/musterdev/muster/problem"
)

func TestATokenThatHoldsNamesItsSubject(t *testing.T) {
	rsa := newPair(t, "k1", jose.RS256)
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.RS512, jose.PS256, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA} {
		p := pair{"k1", alg, rsa.key}
		if alg[0] == 'E' {
			p = newPair(t, "k1", alg)
		}
		f := inline(t, func(c *Config) {
			c.Tell = map[string]string{"X-Email": "email", "X-Roles": "realm.roles", "X-None": "none"}
		}, p)
		token := p.token(t, at, says{"scope": "orders.read orders.write", "email": "a@b.example", "realm": says{"roles": []string{"ops", "a,b", "dev"}}})
		for range 2 { // the second time it is remembered
			r := check(t, f, token, "")
			want := filter.Header{
				{Name: "X-Auth-Subject", Value: "alice"},
				{Name: "X-Auth-By", Value: "jwt"},
				{Name: "X-Auth-Issuer", Value: at},
				{Name: "X-Auth-Scopes", Value: "orders.read orders.write"},
				{Name: "X-Email", Value: "a@b.example"},
				{Name: "X-Roles", Value: "ops,dev"},
			}
			if got := *r.Fields.(*filter.Header); !slices.Equal(got, want) {
				t.Errorf("%s: the service is told %v, want %v", alg, got, want)
			}
			if s := r.Subject; s.ID != "alice" || s.By != "jwt" || s.Issuer != at || s.Claims.Claim("email") != "a@b.example" || len(s.Scopes) != 2 {
				t.Errorf("%s: subject %+v", alg, s)
			}
		}
		if n := f.good.Len(); n != 1 {
			t.Errorf("%s: %d tokens remembered, want 1", alg, n)
		}
	}
}

func TestATokenIsForwardedWhenTold(t *testing.T) {
	p := newPair(t, "k1", jose.ES256)
	token := p.token(t, at, nil)
	f := inline(t, func(c *Config) { c.Forward = true }, p)
	if r := check(t, f, token, ""); r.Fields.Get("Authorization") != "Bearer "+token {
		t.Errorf("Authorization: %q", r.Fields.Get("Authorization"))
	}
}

func TestATokenIsFoundWhereItMayStand(t *testing.T) {
	p := newPair(t, "k1", jose.ES256)
	token := p.token(t, at, nil)
	var places []credential.Place
	for _, text := range []string{`"bearer"`, `"cookie session"`, `"query access_token"`, `"header X-Token"`} {
		var place credential.Place
		if err := place.UnmarshalJSON([]byte(text)); err != nil {
			t.Fatal(err)
		}
		places = append(places, place)
	}
	f := inline(t, func(c *Config) { c.From = places }, p)
	for name, r := range map[string]*filter.Request{
		"bearer": request("Authorization", "bearer  "+token),
		"cookie": request("Cookie", "a=b; session="+token+"; c=d"),
		"query":  {Fields: &filter.Header{}, Query: "a=b&access_token=" + token},
		"header": request("x-token", token),
	} {
		if err := f.Request(context.Background(), r); err != nil || r.Subject.ID != "alice" {
			t.Errorf("%s: %v, subject %q", name, err, r.Subject.ID)
		}
		if c := r.Fields.Get("Cookie"); c != "" && c != "a=b; c=d" || r.Fields.Get("X-Token")+r.Fields.Get("Authorization") != "" || r.Query != "" && r.Query != "a=b" {
			t.Errorf("%s: the token was left in %+v %q", name, r.Fields, r.Query)
		}
	}
	for name, r := range map[string]*filter.Request{
		"two fields":  request("Authorization", "Bearer "+token, "authorization", "Bearer "+token),
		"two schemes": request("Authorization", "Basic YTpi", "Authorization", "Bearer "+token),
		"two places":  request("Authorization", "Bearer "+token, "Cookie", "session="+token),
		"two cookies": request("Cookie", "session="+token+"; session=x"),
	} {
		err := f.Request(context.Background(), r)
		if problem.CodeOf(err) != problem.InvalidArgument || r.Reply.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %v %v", name, err, r.Reply)
		}
	}
}

func TestChallenges(t *testing.T) {
	p := newPair(t, "k1", jose.ES256)
	f := inline(t, func(c *Config) { c.Scopes = []string{"orders.write"} }, p)
	for _, c := range []struct {
		name, authorization string
		code                problem.Code
		challenge           string
	}{
		{"nothing", "", problem.Unauthenticated, `Bearer realm="login"`},
		{"another scheme", "Basic YTpi", problem.Unauthenticated, `Bearer realm="login"`},
		{
			"garbage", "Bearer a.b", problem.Unauthenticated,
			`Bearer realm="login", error="invalid_token", error_description="the token does not hold: it has not the form of a signed token"`,
		},
		{
			"scope", "Bearer " + p.token(t, at, nil), problem.PermissionDenied,
			`Bearer realm="login", error="insufficient_scope", error_description="scopes are missing: orders.write", scope="orders.write"`,
		},
	} {
		r := request()
		if c.authorization != "" {
			r = request("Authorization", c.authorization)
		}
		err := f.Request(context.Background(), r)
		if problem.CodeOf(err) != c.code || r.Reply.Get("WWW-Authenticate") != c.challenge {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, r.Reply.Get("WWW-Authenticate"), c.challenge)
		}
	}
}

func TestOptionalLetsNobodyInWithABadToken(t *testing.T) {
	p := newPair(t, "k1", jose.ES256)
	f := inline(t, func(c *Config) { c.Optional = true }, p)
	r := request()
	if err := f.Request(context.Background(), r); err != nil || r.Subject.ID != "" {
		t.Errorf("without a token: %v %q", err, r.Subject.ID)
	}
	check(t, f, p.token(t, at, nil), "")
	check(t, f, newPair(t, "k1", jose.ES256).token(t, at, nil), problem.Unauthenticated)
}

func TestRequiredClaims(t *testing.T) {
	p := newPair(t, "k1", jose.ES256)
	f := inline(t, func(c *Config) {
		c.Claims = map[string][]string{"realm.roles": {"admin", "ops"}, "email_verified": {"true"}}
	}, p)
	for want, said := range map[problem.Code]says{
		"":                       {"realm": says{"roles": []string{"x", "ops"}}, "email_verified": true},
		problem.PermissionDenied: {"realm": says{"roles": []string{"x"}}, "email_verified": true},
	} {
		check(t, f, p.token(t, at, said), want)
	}
	check(t, f, p.token(t, at, says{"realm.roles": "admin", "email_verified": "true"}), "")
	check(t, f, p.token(t, at, nil), problem.PermissionDenied)
}

// TestRotation is an issuer's life: it is away at first, answers, gets a new key, takes the old
// one back, and goes away again.
func TestRotation(t *testing.T) {
	first, second := newPair(t, "k1", jose.ES256), newPair(t, "k2", jose.ES256)
	i := newIDP(t, first)
	i.goAway(true)
	f := newFilter(t, Config{Issuer: Issuer{Name: i.URL, Audience: []string{"shop"}}})
	old := first.token(t, i.URL, nil)
	check(t, f, old, problem.Unavailable)

	i.goAway(false)
	within(t, func() bool { _, err := ask(f, old); return err == nil })

	i.publish(first, second)
	keeper := f.issuers[i.URL].keeper
	fresh := second.token(t, i.URL, nil)
	check(t, f, fresh, problem.Unauthenticated) // it is too early to ask again
	renew(t, f, i.URL)
	check(t, f, fresh, "")
	check(t, f, old, "")

	i.publish(second)
	renew(t, f, i.URL)
	check(t, f, old, problem.Unauthenticated)
	check(t, f, fresh, "")

	i.goAway(true)
	keeper.Close()
	check(t, f, fresh, "")
	check(t, f, second.token(t, i.URL, says{"sub": "bob"}), "")
}

// renew makes a filter fetch now. The Keeper's own test has its times.
func renew(t *testing.T, f *Filter, issuer string) {
	t.Helper()
	before := f.changes.Load()
	within(t, func() bool {
		f.issuers[issuer].keeper.FetchNow() // one that was under way has the keys of before
		return f.changes.Load() > before
	})
}

func within(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to pass within 10 s")
		}
	}
}

func TestSeveralIssuers(t *testing.T) {
	a, b := newPair(t, "k", jose.ES256), newPair(t, "k", jose.RS256)
	f := newFilter(t, Config{Issuers: []Issuer{
		{Name: "https://a.example", Audience: []string{"shop"}, JWKS: set(a)},
		{Name: "https://b.example", AnyAudience: true, JWKS: set(b), Subject: "client_id"},
	}})
	check(t, f, a.token(t, "https://a.example", nil), "")
	if r := check(t, f, b.token(t, "https://b.example", says{"aud": nil, "client_id": "nightly"}), ""); r.Subject.ID != "nightly" {
		t.Errorf("subject %q", r.Subject.ID)
	}
	check(t, f, a.token(t, "https://b.example", says{"client_id": "x"}), problem.Unauthenticated) // the key of another issuer
	check(t, f, b.token(t, "https://b.example", says{"client_id": nil}), problem.Unauthenticated)
}

func TestTokensEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, "k1", jose.ES256)
		f := inline(t, nil, p)
		now := time.Now().Unix()
		token := p.token(t, at, says{"exp": now + 60})
		later := p.token(t, at, says{"nbf": now + 60})
		check(t, f, token, "")
		check(t, f, later, problem.Unauthenticated)
		time.Sleep(29 * time.Second)
		check(t, f, later, problem.Unauthenticated)
		time.Sleep(6 * time.Second) // 35 s: within the leeway of nbf, and what was refused is forgotten
		check(t, f, later, "")
		time.Sleep(54 * time.Second) // 89 s
		check(t, f, token, "")
		time.Sleep(2 * time.Second) // 91 s
		check(t, f, token, problem.Unauthenticated)
		_ = f.Close()
	})
}

func TestTheSameTokenIsVerifiedOnce(t *testing.T) {
	p := newPair(t, "k1", jose.RS256)
	reg := prometheus.NewRegistry()
	e := env()
	e.Metrics = reg
	f, err := New(context.Background(), e, Config{Issuer: Issuer{Name: at, Audience: []string{"shop"}, JWKS: set(p)}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	good, bad := p.token(t, at, nil), newPair(t, "k1", jose.RS256).token(t, at, nil)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() { _, _ = ask(f, good) })
		all.Go(func() { _, _ = ask(f, bad) })
	}
	all.Wait()
	held, refused := testutil.ToFloat64(f.counts.looks.WithLabelValues("held")), testutil.ToFloat64(f.counts.looks.WithLabelValues("refused"))
	if held != 1 || refused != 1 {
		t.Errorf("verified %v and refused %v times, want once each", held, refused)
	}
}

func TestGarbageTakesNoRoomFromTokens(t *testing.T) {
	p := newPair(t, "k1", jose.ES256)
	f := inline(t, func(c *Config) { c.Tokens = 64 }, p)
	good := p.token(t, at, nil)
	check(t, f, good, "")
	for range 100 { // more than there is room for
		check(t, f, newPair(t, "k1", jose.ES256).token(t, at, nil), problem.Unauthenticated)
	}
	if f.good.Len() != 1 || f.bad.Len() != 100 {
		t.Errorf("%d good, %d bad remembered", f.good.Len(), f.bad.Len())
	}
}
