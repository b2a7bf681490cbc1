package certs

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Config says where certificates come from. At least one source is needed.
type Config struct {
	// Listen is the host:port of TLS; "" means 127.0.0.1:8443.
	Listen string `json:"listen,omitempty"`
	// Files are certificates that somebody else renews.
	Files []Pair `json:"files,omitempty"`
	// Automatic certificates are ordered from an ACME authority and renewed; nil: none.
	Automatic *Automatic `json:"automatic,omitempty"`
	// Local certificates are signed by an authority that the edge makes for itself, for
	// development; nil: none.
	Local *Local `json:"local,omitempty"`
	// Default is the host whose certificate is shown to a client that names no host, or one
	// for which there is none. "" refuses the latter with the alert "unrecognized name".
	Default string `json:"default,omitempty"`
	// Clients are asked for certificates; nil: they are not.
	Clients *Clients `json:"clients,omitempty"`
	// Least is the oldest version that is spoken: "1.2", which "" means, or "1.3".
	Least string `json:"least,omitempty"`
	// Redirect has the plain port answer every request with 308 to https.
	Redirect bool `json:"redirect,omitempty"`
}

// Pair is a certificate, with those between it and its root, and its key: two files in PEM.
// They are followed: when they change, new connections get what is in them then.
type Pair struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

// Automatic says what to order from whom. The hosts must lead here: the authority asks the
// plain port (HTTP-01) or the TLS port (TLS-ALPN-01) from outside.
type Automatic struct {
	Hosts []string `json:"hosts"`           // without wildcards, which need DNS-01
	Email string   `json:"email,omitempty"` // told of trouble by some authorities; "" nobody
	// Directory is the authority's; "" is Let's Encrypt. To order is to agree to its terms.
	Directory string `json:"directory,omitempty"`
	// Roots is a PEM file with those who vouch for the directory itself; "" the system's.
	Roots string `json:"roots,omitempty"`
}

// Local says for which names the edge's own authority signs, besides localhost, its
// subdomains, 127.0.0.1 and ::1.
type Local struct {
	Hosts []string `json:"hosts,omitempty"` // such as shop.test or *.shop.test
}

// Clients says whose certificates count. No session is resumed where they are asked for, as
// a resumed one is not verified anew.
type Clients struct {
	// Ask is "optional": whoever shows one must show a good one; or "required".
	Ask string `json:"ask"`
	// Authorities is a PEM file with the roots of clients' certificates. It is followed.
	Authorities string `json:"authorities"`
}

// How clients are asked for certificates.
const (
	Optional = "optional"
	Required = "required"
)

// DefaultListen is where TLS is spoken when nothing is said.
const DefaultListen = "127.0.0.1:8443"

// Validate returns what is wrong, each mistake with its field. It reads no file.
func (c Config) Validate() error {
	var errs mistakes
	bad := errs.add
	if _, _, err := net.SplitHostPort(c.Address()); err != nil {
		bad("tls.listen: %q is not host:port: %w", c.Listen, err)
	}
	if len(c.Files) == 0 && c.Automatic == nil && c.Local == nil {
		bad("tls: there is no source of certificates: give files, automatic or local")
	}
	for i, p := range c.Files {
		if p.Cert == "" || p.Key == "" {
			bad("tls.files[%d]: cert and key are both needed, two files in PEM", i)
		}
	}
	c.Automatic.validate(bad)
	if c.Local != nil {
		for i, h := range c.Local.Hosts {
			if err := hostName(strings.TrimPrefix(h, "*.")); err != nil {
				bad("tls.local.hosts[%d]: %w", i, err)
			}
		}
	}
	c.Clients.validate(bad)
	if c.Least != "" && c.Least != "1.2" && c.Least != "1.3" {
		bad("tls.least: %q must be 1.2 or 1.3", c.Least)
	}
	return errors.Join(errs...)
}

// mistakes are gathered.
type mistakes []error

func (m *mistakes) add(format string, args ...any) { *m = append(*m, fmt.Errorf(format, args...)) }

func (a *Automatic) validate(bad func(string, ...any)) {
	if a == nil {
		return
	}
	if len(a.Hosts) == 0 {
		bad("tls.automatic.hosts: there is no host: name those for which certificates are to be ordered")
	}
	for i, h := range a.Hosts {
		if err := orderable(h); err != nil {
			bad("tls.automatic.hosts[%d]: %w", i, err)
		}
	}
	if d := a.Directory; d != "" && !strings.HasPrefix(d, "https://") {
		bad("tls.automatic.directory: %q must begin with https://", d)
	}
}

func (c *Clients) validate(bad func(string, ...any)) {
	if c == nil {
		return
	}
	if c.Ask != Optional && c.Ask != Required {
		bad("tls.clients.ask: %q must be %q or %q", c.Ask, Optional, Required)
	}
	if c.Authorities == "" {
		bad("tls.clients.authorities: the file with the authorities of clients' certificates is missing")
	}
}

// Address returns the host:port of TLS.
func (c Config) Address() string { return cmp.Or(c.Listen, DefaultListen) }

// orderable says why no certificate for a host can be ordered.
func orderable(host string) error {
	if strings.HasPrefix(host, "*.") {
		return fmt.Errorf("%q: a wildcard cannot be ordered without DNS: name the hosts, or keep such a certificate in files", host)
	}
	if err := hostName(host); err != nil {
		return err
	}
	if !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".test") {
		return fmt.Errorf("%q is no name of the public internet: use local for it", host)
	}
	return nil
}

func hostName(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return fmt.Errorf("%q is an address: a host name is wanted", host)
	}
	if host == "" || len(host) > 253 || host != strings.ToLower(host) {
		return fmt.Errorf("%q must be a host name in lower case", host)
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("%q must be a host name in lower case", host)
		}
	}
	return nil
}
