package external

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/credential"
)

// Config is what the filter is told. One of Service and URL must be given.
type Config struct {
	Service string `json:"service,omitempty"` // of the fleet
	Path    string `json:"path,omitempty"`    // there; "": /
	URL     string `json:"url,omitempty"`     // of what is outside of the fleet

	// Send names fields of the request that the question has too; none: Authorization and
	// Cookie. Method, host, path, query and client are always in it.
	Send []string `json:"send,omitempty"`
	// Take names fields of a good answer that go to the service.
	Take []string `json:"take,omitempty"`
	// Subject is the field of a good answer that names who asks, ScopesField the one with the
	// scopes, separated by spaces; "": nobody is named.
	Subject string `json:"subject,omitempty"`
	Scopes  string `json:"scopes,omitempty"`
	// Reply names fields of a refusal that go to the client; none: WWW-Authenticate, Location,
	// Set-Cookie, Retry-After. Its Content-Type goes with its body.
	Reply []string `json:"reply,omitempty"`

	// Timeout bounds a question; 0: 1 s. At most 30 s.
	Timeout filter.Duration `json:"timeout,omitempty"`
	// AtOnce bounds the questions under way; 0: 100. What comes beyond is refused.
	AtOnce int `json:"at_once,omitempty"`
	// AllowWhenAway lets requests in, unnamed, that nobody could be asked about.
	AllowWhenAway bool `json:"allow_when_away,omitempty"`

	// Remember is how long an answer counts for all requests that are alike; 0: for its own
	// only. At most 1 h. An answer with Cache-Control: no-store or Set-Cookie is not remembered.
	Remember filter.Duration `json:"remember,omitempty"`
	// Alike says what of requests is compared, where not all that is sent: "method", "host",
	// "path", "query", "client", "scheme", "header NAME". Leave nothing out that the answer
	// depends on.
	Alike []string `json:"alike,omitempty"`
	// Entries bounds how many answers are remembered; 0: 8,192.
	Entries int `json:"entries,omitempty"`
}

const (
	maxTimeout  = 30 * time.Second
	maxRemember = time.Hour
	maxAtOnce   = 10_000
	maxEntries  = 1 << 20
	maxBody     = 64 << 10 // of a refusal; a longer one is left out
)

func (c *Config) check() error {
	var m filter.Mistakes
	c.checkTarget(&m)
	c.checkFields(&m)
	for _, a := range c.Alike {
		if _, ok := alike(a); !ok {
			m.Add("alike", "%q is not known; there are method, host, path, query, client, scheme and header NAME", a)
		}
	}
	if len(c.Alike) > 0 && c.Remember == 0 {
		m.Add("alike", "needs remember: nothing is compared otherwise")
	}
	if time.Duration(c.Timeout) > maxTimeout {
		m.Add("timeout", "must be at most %s", maxTimeout)
	}
	if time.Duration(c.Remember) > maxRemember {
		m.Add("remember", "must be at most %s", maxRemember)
	}
	if c.AtOnce < 0 || c.AtOnce > maxAtOnce {
		m.Add("at_once", "must be from 1 to %d", maxAtOnce)
	}
	if c.Entries < 0 || c.Entries > maxEntries {
		m.Add("entries", "must be from 1 to %d", maxEntries)
	}
	return m.Err()
}

func (c *Config) checkTarget(m *filter.Mistakes) {
	if (c.Service == "") == (c.URL == "") {
		m.Add("service", "say who is asked: a service of the fleet, or a url, and not both")
		return
	}
	u, err := url.Parse(c.URL)
	switch {
	case c.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil):
		m.Add("url", "%q must be one such as http://127.0.0.1:9000/check", c.URL)
	case c.URL != "" && c.Path != "":
		m.Add("path", "belongs to service; a url has its own")
	case c.Path != "" && !strings.HasPrefix(c.Path, "/"):
		m.Add("path", "%q must begin with /", c.Path)
	}
}

func (c *Config) checkFields(m *filter.Mistakes) {
	for _, name := range c.Take {
		if !credential.Tellable(name) {
			m.Add("take", "%q is no field that a filter may set", name)
		}
	}
	for _, name := range c.Send {
		if !filter.ValidName(name) {
			m.Add("send", "%q is no name of a field", name)
		}
	}
	for _, name := range c.Reply {
		if !filter.ValidName(name) || credential.Untouchable(name) {
			m.Add("reply", "%q is no field that goes to a client", name)
		}
	}
	if c.Subject != "" && !filter.ValidName(c.Subject) {
		m.Add("subject", "%q is no name of a field", c.Subject)
	}
	if c.Scopes != "" && (!filter.ValidName(c.Scopes) || c.Subject == "") {
		m.Add("scopes", "must be the name of a field, and needs subject: whose are they?")
	}
}

func withDefaults(c Config) Config {
	if len(c.Send) == 0 {
		c.Send = []string{"Authorization", "Cookie"}
	}
	if len(c.Reply) == 0 {
		c.Reply = []string{"WWW-Authenticate", "Location", "Set-Cookie", "Retry-After"}
	}
	if c.AtOnce == 0 {
		c.AtOnce = 100
	}
	if c.Entries == 0 {
		c.Entries = 8192
	}
	if c.Service != "" {
		c.URL = (&url.URL{Scheme: "http", Host: c.Service, Path: "/"}).String()
		if c.Path != "" {
			c.URL = strings.TrimSuffix(c.URL, "/") + c.Path
		}
	}
	if len(c.Alike) == 0 {
		c.Alike = []string{"method", "host", "path", "query", "client", "scheme"}
		for _, name := range c.Send {
			c.Alike = append(c.Alike, "header "+name)
		}
	}
	return c
}

// alike returns how to find what a word of Config.Alike stands for.
func alike(word string) (func(r *filter.Request) []string, bool) {
	one := func(f func(r *filter.Request) string) (func(*filter.Request) []string, bool) {
		return func(r *filter.Request) []string { return []string{f(r)} }, true
	}
	switch word {
	case "method":
		return one(func(r *filter.Request) string { return r.Method })
	case "host":
		return one(func(r *filter.Request) string { return r.Host })
	case "path":
		return one(func(r *filter.Request) string { return r.Path })
	case "query":
		return one(func(r *filter.Request) string { return r.Query })
	case "client":
		return one(func(r *filter.Request) string { return r.Client.String() })
	case "scheme":
		return one(scheme)
	}
	name, ok := strings.CutPrefix(word, "header ")
	return func(r *filter.Request) []string { return r.Fields.Values(name) }, ok && filter.ValidName(name)
}

func scheme(r *filter.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func read(with json.RawMessage) (Config, error) {
	var c Config
	if err := filter.Decode(with, &c); err != nil {
		return c, err
	}
	c.Send, c.Take, c.Reply = slices.Compact(c.Send), slices.Compact(c.Take), slices.Compact(c.Reply)
	return c, c.check()
}
