package proxy

import (
	"math/rand/v2"
	"net/http"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/header"
)

// stick keeps the requests of one client together, at an instance and so at a version, where
// the route is sticky; else it draws the version.
func (g *Gateway) stick(x *Exchange) {
	t := x.Target
	if s := t.Sticky; s != nil {
		switch {
		case s.Cookie != "":
			x.pinned, x.Version = g.tokens.Find(header.Cookie(x.Request.Fields, s.Cookie), g.cfg.Resolver.View(t.Service).Instances(), t)
		case s.Header != "":
			x.key = x.Request.Fields.Get(s.Header)
		case x.Request.Client.IsValid():
			x.key = x.Request.Client.String()
		}
	}
	switch {
	case len(t.Versions) == 0 || x.pinned != "":
	case x.key != "":
		x.Version = t.VersionOf(balance.Key(x.key))
	default:
		x.Version = t.Version(rand.Uint64())
	}
}

// remember has the client come back to the instance that answered.
func (g *Gateway) remember(x *Exchange, fields filter.Fields) {
	s := x.Target.Sticky
	if s == nil || s.Cookie == "" || x.Instance == "" || x.Instance == x.pinned {
		return
	}
	c := http.Cookie{ //nolint:gosec // Secure where the client came by TLS, else it would never come back
		Name: s.Cookie, Value: g.tokens.Of(x.Instance), Path: "/", MaxAge: s.MaxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: x.Request.TLS != nil,
	}
	fields.Add("Set-Cookie", c.String())
}
