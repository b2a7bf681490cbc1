package jwt

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/credential"
	"github.com/musterdev/muster/platform/gateway/filter/jwt/keys"
	"github.com/musterdev/muster/platform/gateway/filter/require"
)

// Config is what the filter is told. With one issuer its members stand beside the others, with
// several in Issuers.
type Config struct {
	Issuer

	Issuers []Issuer `json:"issuers,omitempty"`

	// From are the places where a token may stand; none: bearer.
	From []credential.Place `json:"from,omitempty"`
	// Forward lets the service see the token too; else it is taken away.
	Forward bool `json:"forward,omitempty"`
	// Optional lets requests without a token pass, unnamed. One that does not hold is refused.
	Optional bool `json:"optional,omitempty"`

	require.Rules // what the subject must have, else 403

	// Tell names fields, and the claims whose text the service finds there.
	Tell map[string]string `json:"tell,omitempty"`

	// Leeway is how far clocks may differ; 0: 30 s. At most 10 min.
	Leeway filter.Duration `json:"leeway,omitempty"`
	// Denied is a file with tokens, subjects and sessions that count no more; see [Revocation].
	// It is followed.
	Denied string `json:"denied,omitempty"`
	// Tokens bounds how many verified tokens are remembered; 0: 32,768. They take at most
	// 2 KiB each on average.
	Tokens int `json:"tokens,omitempty"`
}

// Issuer is one whose tokens count. Its keys are found by its name (OpenID Connect Discovery),
// unless one of JWKSURL, JWKSFile, JWKS and SecretFile says where they are.
type Issuer struct {
	Name string `json:"issuer,omitempty"` // the tokens' iss, letter by letter; a URL for discovery
	// Audience lists whom tokens may be meant for: one of the token's aud must be among them.
	// AnyAudience takes tokens whomever they are meant for, in place of it.
	Audience    []string `json:"audience,omitempty"`
	AnyAudience bool     `json:"any_audience,omitempty"`
	// Algorithms are taken; none: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384,
	// ES512 and EdDSA, or with SecretFile HS256, HS384 and HS512, which need it.
	Algorithms []string `json:"algorithms,omitempty"`
	// Types are the tokens' typ that are taken; none: "JWT", "at+jwt", and none at all.
	Types []string `json:"types,omitempty"`
	// Subject is the claim that names who asks; "": sub.
	Subject string `json:"subject,omitempty"`

	JWKSURL    string          `json:"jwks_url,omitempty"`
	JWKSFile   string          `json:"jwks_file,omitempty"` // followed
	JWKS       json.RawMessage `json:"jwks,omitempty"`
	SecretFile string          `json:"secret_file,omitempty"` // of at least 32 bytes; followed

	// Service is the service of the fleet at which discovery, or JWKSURL, is asked.
	Service string `json:"service,omitempty"`
	// AllowHTTP allows to fetch keys without TLS from another machine.
	AllowHTTP bool `json:"allow_http,omitempty"`
	// Refresh is how often keys are fetched; 0: 5 min. From 10 s to 24 h. A key that the
	// issuer takes back counts that much longer.
	Refresh filter.Duration `json:"refresh,omitempty"`
}

const (
	defaultLeeway = 30 * time.Second
	maxLeeway     = 10 * time.Minute
	defaultTokens = 32_768
	maxTokens     = 1 << 20
	maxIssuers    = 50
)

func public() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

func secret() []string { return []string{"HS256", "HS384", "HS512"} }

// all returns the issuers, wherever they stand.
func (c *Config) all() []Issuer {
	if len(c.Issuers) > 0 {
		return c.Issuers
	}
	return []Issuer{c.Issuer}
}

func (c *Config) check() error {
	var m filter.Mistakes
	if len(c.Issuers) > maxIssuers {
		m.Add("issuers", "must be at most %d", maxIssuers)
		return m.Err()
	}
	if len(c.Issuers) > 0 && c.Issuer.given() {
		m.Add("issuers", "what belongs to one issuer stands in its own object here, not beside the list")
	}
	seen := map[string]bool{}
	for i, issuer := range c.all() {
		at := c.at(i)
		issuer.check(&m, at)
		if seen[issuer.Name] {
			m.Add(at+"issuer", "%q is there twice", issuer.Name)
		}
		seen[issuer.Name] = true
	}
	c.Check(&m)
	for _, name := range slices.Sorted(maps.Keys(c.Tell)) {
		if !credential.Tellable(name) {
			m.Add("tell", "%q is no field that a filter may set", name)
		}
		if c.Tell[name] == "" {
			m.Add("tell", "%q needs the name of a claim", name)
		}
	}
	if time.Duration(c.Leeway) > maxLeeway {
		m.Add("leeway", "must be at most %s", maxLeeway)
	}
	if c.Tokens < 0 || c.Tokens > maxTokens {
		m.Add("tokens", "must be from 1 to %d, or 0 for %d", maxTokens, defaultTokens)
	}
	return m.Err()
}

// at returns where the members of an issuer stand.
func (c *Config) at(i int) string {
	if len(c.Issuers) == 0 {
		return ""
	}
	return fmt.Sprintf("issuers[%d].", i)
}

// source returns the member that says where the keys are.
func (i *Issuer) source() string {
	switch {
	case i.Service != "":
		return "service"
	case i.JWKSFile != "":
		return "jwks_file"
	case i.SecretFile != "":
		return "secret_file"
	case len(i.JWKS) > 0:
		return "jwks"
	}
	return "issuer"
}

// given reports whether anything is said of an issuer.
func (i *Issuer) given() bool {
	return i.Name != "" || len(i.Audience) > 0 || i.AnyAudience || len(i.Algorithms) > 0 || len(i.Types) > 0 || i.Subject != "" ||
		i.sources() > 0 || i.Service != "" || i.AllowHTTP || i.Refresh != 0
}

// sources counts what says where the keys are.
func (i *Issuer) sources() (n int) {
	for _, given := range []bool{i.JWKSURL != "", i.JWKSFile != "", len(i.JWKS) > 0, i.SecretFile != ""} {
		if given {
			n++
		}
	}
	return n
}

func (i *Issuer) check(m *filter.Mistakes, at string) {
	if i.Name == "" {
		m.Add(at+"issuer", "is missing: the iss of the tokens, such as https://login.example")
		return
	}
	if len(i.Audience) == 0 && !i.AnyAudience {
		m.Add(at+"audience", "is missing: whom the tokens are meant for; any_audience: true takes those for others too")
	}
	if len(i.Audience) > 0 && i.AnyAudience {
		m.Add(at+"any_audience", "contradicts audience")
	}
	i.checkSource(m, at)
	known, what := public(), "without secret_file"
	if i.SecretFile != "" {
		known, what = secret(), "with secret_file"
	}
	for _, a := range i.Algorithms {
		if !slices.Contains(known, a) {
			m.Add(at+"algorithms", "%q is not taken %s; there are %v", a, what, known)
		}
	}
	if r := time.Duration(i.Refresh); r != 0 && (r < 10*time.Second || r > 24*time.Hour) {
		m.Add(at+"refresh", "must be from 10s to 24h")
	}
}

func (i *Issuer) checkSource(m *filter.Mistakes, at string) {
	if i.sources() > 1 {
		m.Add(at+"issuer", "its keys are at one place: jwks_url, jwks_file, jwks or secret_file, or none of them for discovery")
		return
	}
	plain := i.AllowHTTP || i.Service != ""
	switch {
	case i.JWKSURL != "":
		if err := keys.CheckURL(i.JWKSURL, plain); err != nil {
			m.Add(at+"jwks_url", "%v", err)
		}
	case len(i.JWKS) > 0:
		if found, err := keys.Parse(i.JWKS); err != nil {
			m.Add(at+"jwks", "%v", err)
		} else if len(found) == 0 {
			m.Add(at+"jwks", "there is no key in it")
		}
	case i.sources() == 0:
		if err := keys.CheckURL(i.Name, plain); err != nil {
			m.Add(at+"issuer", "%v; or say where its keys are", err)
		}
	}
}

// algorithms returns those that are taken.
func (i *Issuer) algorithms() []string {
	switch {
	case len(i.Algorithms) > 0:
		return i.Algorithms
	case i.SecretFile != "":
		return secret()
	}
	return public()
}

func read(with json.RawMessage) (Config, error) {
	var c Config
	if err := filter.Decode(with, &c); err != nil {
		return c, err
	}
	return c, c.check()
}

// known are the algorithms that a token may name at all.
func known() (algorithms []jose.SignatureAlgorithm) {
	for _, a := range slices.Concat(public(), secret()) {
		algorithms = append(algorithms, jose.SignatureAlgorithm(a))
	}
	return algorithms
}
