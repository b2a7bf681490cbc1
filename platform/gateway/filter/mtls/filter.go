// Package mtls lets in requests that came over TLS with a certificate of the client's, which
// the edge's listener has verified. The name in it is who asks.
//
//	{"kind": "mtls", "with": {"allow": ["spiffe://shop.example/*", "*.partner.example"]}}
package mtls

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

// Config is what the filter is told.
type Config struct {
	// Subject says what of a certificate names who asks, the first that it has: "uri" (such as
	// a SPIFFE id), "dns", "email", "cn". None: uri, dns, cn.
	Subject []string `json:"subject,omitempty"`
	// Allow lists the names that are let in; "*" in it stands for any text without a slash, at
	// its end for any text. None: each certificate that the listener takes.
	Allow []string `json:"allow,omitempty"`
	// Issuers, when there are any, are the common names of the authorities one of which must
	// have signed the certificate itself.
	Issuers []string `json:"issuers,omitempty"`
	// Optional lets requests without a certificate pass, unnamed.
	Optional bool `json:"optional,omitempty"`
}

// Filter judges certificates. It is safe for concurrent use.
type Filter struct{ cfg Config }

var _ filter.Introducer = (*Filter)(nil)

// Make is the [filter.Maker] of the kind "mtls".
func Make(_ context.Context, _ filter.Env, with json.RawMessage) (filter.Filter, error) {
	var cfg Config
	if err := filter.Decode(with, &cfg); err != nil {
		return nil, err
	}
	var m filter.Mistakes
	for i, s := range cfg.Subject {
		if known := []string{"uri", "dns", "email", "cn"}; !slices.Contains(known, s) {
			m.Add("subject", "%q is not known; there are %v", s, known)
		} else if slices.Contains(cfg.Subject[:i], s) {
			m.Add("subject", "%q is there twice", s)
		}
	}
	for _, a := range cfg.Allow {
		if a == "" || !filter.ValidValue(a) || strings.Count(a, "*") > 2 {
			m.Add("allow", "%q must be a name, with two \"*\" at most", a)
		}
	}
	if err := m.Err(); err != nil {
		return nil, err
	}
	return New(cfg), nil
}

// New returns a filter.
func New(cfg Config) *Filter {
	if len(cfg.Subject) == 0 {
		cfg.Subject = []string{"uri", "dns", "cn"}
	}
	return &Filter{cfg}
}

// Request implements [filter.Filter].
func (f *Filter) Request(_ context.Context, r *filter.Request) error {
	leaf := verified(r)
	switch {
	case leaf == nil && f.cfg.Optional:
		return nil
	case leaf == nil && r.TLS == nil:
		return problem.New(problem.PermissionDenied, "a certificate of the client is needed, and so TLS")
	case leaf == nil:
		return problem.New(problem.PermissionDenied, "a certificate of the client is needed")
	}
	now := r.Began
	if now.IsZero() {
		now = time.Now()
	}
	if now.After(leaf.NotAfter) { // a connection may live longer than the certificate it began with
		return problem.New(problem.PermissionDenied, "the certificate of the client has expired")
	}
	id := f.name(leaf)
	if id == "" || !filter.ValidValue(id) {
		return problem.New(problem.PermissionDenied, "the certificate of the client has no name of the kinds that count here: %s", strings.Join(f.cfg.Subject, ", "))
	}
	if !f.allowed(id, leaf) {
		return problem.New(problem.PermissionDenied, "this is not for %q", id)
	}
	r.Identify(filter.Subject{ID: id, By: "mtls", Issuer: issuer(leaf), Claims: (*claims)(leaf)})
	return nil
}

// verified returns the client's certificate; nil when there is none, or none that was verified.
func verified(r *filter.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return nil
	}
	return r.TLS.VerifiedChains[0][0]
}

func (f *Filter) name(leaf *x509.Certificate) string {
	for _, kind := range f.cfg.Subject {
		if name := (*claims)(leaf).Claim(kind); name != "" {
			return name
		}
	}
	return ""
}

func (f *Filter) allowed(id string, leaf *x509.Certificate) bool {
	return (len(f.cfg.Allow) == 0 || slices.ContainsFunc(f.cfg.Allow, func(p string) bool { return like(p, id) })) &&
		(len(f.cfg.Issuers) == 0 || slices.Contains(f.cfg.Issuers, leaf.Issuer.CommonName))
}

// like reports whether a name is as a pattern says: a "*" is any text without a slash, and at
// the end of the pattern any text at all, but not none.
func like(pattern, name string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, before)
	if !ok || rest == "" {
		return false
	}
	if after == "" {
		return true
	}
	for end := 1; end <= len(rest); end++ {
		if rest[end-1] == '/' {
			return false
		}
		if like(after, rest[end:]) {
			return true
		}
	}
	return false
}

// issuer returns the authority's name, as far as a field can tell it.
func issuer(leaf *x509.Certificate) string {
	if name := leaf.Issuer.CommonName; filter.ValidValue(name) {
		return name
	}
	return ""
}

// claims is what a certificate says.
type claims x509.Certificate

var _ filter.Claims = (*claims)(nil)

// Claim implements [filter.Claims]: uri, dns, email, cn, o, serial.
func (c *claims) Claim(name string) string {
	switch name {
	case "uri":
		if len(c.URIs) > 0 {
			return c.URIs[0].String()
		}
	case "dns":
		return first(c.DNSNames)
	case "email":
		return first(c.EmailAddresses)
	case "cn":
		return c.Subject.CommonName
	case "o":
		return first(c.Subject.Organization)
	case "serial":
		if c.SerialNumber != nil {
			return c.SerialNumber.Text(16)
		}
	}
	return ""
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// Introduces implements [filter.Introducer].
func (f *Filter) Introduces() bool { return true }
