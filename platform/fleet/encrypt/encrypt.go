// Package encrypt reads how the edge speaks TLS, the key "tls" of the edge in muster.yaml:
//
//	edge:
//	  tls: local                       # an authority of the edge's own, for development
//
//	edge:
//	  tls:
//	    port: 8443
//	    local: [shop.test, "*.shop.test"]
//	    files: [{cert: tls/a.pem, key: tls/a-key.pem}]
//	    automatic: {hosts: [shop.example], email: ops@shop.example}
//	    default: shop.example          # shown to who names no host, or another one
//	    clients: {ask: optional, authorities: tls/clients.pem}
//	    least: "1.3"
//	    redirect: true                 # the plain port answers 308
package encrypt

import (
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/platform/fleet/reading"
	"github.com/musterdev/muster/platform/fleet/route"
	"github.com/musterdev/muster/strictyaml"
)

// DefaultPort is where TLS is spoken when nothing is said.
const DefaultPort = 8443

// maxList bounds hosts and files.
const maxList = 1000

// TLS is how the edge speaks TLS. Paths are as they are written, relative to the fleet's folder.
type TLS struct {
	Port      int        // on 127.0.0.1; 0: any free one
	Local     bool       // an authority of the edge's own
	Hosts     []string   // for which that one signs, besides localhost
	Files     []Pair     // certificates that somebody else renews
	Automatic *Automatic // nil: none are ordered
	Default   string
	Clients   *Clients // nil: clients are asked for no certificate
	Least     string
	Redirect  bool
}

// Check records which routes nobody can reach by TLS: those of a wildcard, where certificates
// are all ordered, which is done by name, and none of the names is below its domain. What is in
// files is not known here. Without TLS, which is nil, all is well.
func (t *TLS) Check(routes []route.Route, errs *strictyaml.Collector) {
	if t == nil || t.Automatic == nil || t.Local || len(t.Files) > 0 {
		return
	}
	for _, r := range routes {
		domain, wild := r.Below()
		if wild && !slices.ContainsFunc(t.Automatic.Hosts, func(host string) bool { return strings.HasSuffix(host, "."+domain) }) {
			errs.Add(r.Place.Errorf(`route %q has no certificate: one for a wildcard cannot be ordered without DNS; name hosts below %s in "edge.tls.automatic", or give "files"`, r, domain))
		}
	}
}

// Pair is a certificate and its key.
type Pair struct{ Cert, Key string }

// Automatic is what to order from an ACME authority.
type Automatic struct {
	Hosts                   []string
	Email, Directory, Roots string
}

// Clients says which certificates clients are asked for.
type Clients struct{ Ask, Authorities string }

// Read reads the key. Mistakes are recorded where they stand, and false returned.
func Read(n *strictyaml.Node) (t TLS, ok bool) {
	t.Port = DefaultPort
	if n.Kind == strictyaml.Scalar {
		_, ok := reading.Text(n, `"local", or how`, reading.OneOf("ways to speak TLS in a word", "local"))
		t.Local = true
		return t, ok
	}
	r := reader{ok: true}
	read := n.Fields("TLS of the edge", strictyaml.Fields{
		"port":      func(n *strictyaml.Node) { t.Port = r.port(n) },
		"local":     func(n *strictyaml.Node) { t.Local, t.Hosts = r.local(n) },
		"files":     func(n *strictyaml.Node) { t.Files = r.files(n) },
		"automatic": func(n *strictyaml.Node) { t.Automatic = r.automatic(n) },
		"default":   func(n *strictyaml.Node) { t.Default = r.host(n) },
		"clients":   func(n *strictyaml.Node) { t.Clients = r.clients(n) },
		"least":     func(n *strictyaml.Node) { t.Least = r.word(n, "versions of TLS", "1.2", "1.3") },
		"redirect":  func(n *strictyaml.Node) { t.Redirect = r.truth(n) },
	})
	if read && !n.Has("local") && !n.Has("files") && !n.Has("automatic") {
		n.Errorf(`there is no source of certificates; add "local: true", "files" or "automatic"`)
		return t, false
	}
	return t, read && r.ok
}

// reader reads values and keeps whether all were well.
type reader struct{ ok bool }

func (r *reader) well(ok bool) { r.ok = r.ok && ok }

func (r *reader) port(n *strictyaml.Node) int {
	v, ok := n.Int(0, 65535)
	r.well(ok)
	return v
}

func (r *reader) truth(n *strictyaml.Node) bool {
	v, ok := n.Bool()
	r.well(ok)
	return v
}

func (r *reader) word(n *strictyaml.Node, what string, words ...string) string {
	v, ok := reading.Text(n, "one of "+strings.Join(words, ", "), reading.OneOf(what, words...))
	r.well(ok)
	return v
}

func (r *reader) text(n *strictyaml.Node, what string) string {
	v, ok := n.Text(what)
	r.well(ok)
	return v
}

func (r *reader) url(n *strictyaml.Node) string {
	v, ok := reading.Text(n, "a URL", grammar.URL("https"))
	r.well(ok)
	return v
}

func (r *reader) host(n *strictyaml.Node) string {
	v, ok := reading.Text(n, "a DNS name", grammar.ServerName)
	r.well(ok)
	return v
}

// hosts reads one name or several; wild says whether "*." may begin one.
func (r *reader) hosts(n *strictyaml.Node, wild bool) []string {
	items := n.OneOrMore()
	if len(items) == 0 || len(items) > maxList {
		n.Errorf("there must be 1 to %d names", maxList)
		r.ok = false
		return nil
	}
	var list []string
	for _, item := range items {
		h := r.host(item)
		if strings.HasPrefix(h, "*.") && !wild {
			item.Errorf("%q has a wildcard, which cannot be ordered without DNS; name the hosts, or keep such a certificate in files", grammar.Short(h))
			r.ok = false
		}
		list = append(list, h)
	}
	return list
}

func (r *reader) local(n *strictyaml.Node) (on bool, hosts []string) {
	if n.IsBool() {
		return r.truth(n), nil
	}
	return true, r.hosts(n, true)
}

func (r *reader) files(n *strictyaml.Node) []Pair {
	items := n.OneOrMore()
	if len(items) == 0 || len(items) > maxList {
		n.Errorf("there must be 1 to %d pairs of cert and key", maxList)
		r.ok = false
	}
	var list []Pair
	for _, item := range items {
		var p Pair
		ok := item.Fields("a certificate", strictyaml.Fields{
			"cert": func(n *strictyaml.Node) { p.Cert = r.text(n, "the path of a file") },
			"key":  func(n *strictyaml.Node) { p.Key = r.text(n, "the path of a file") },
		})
		r.well(ok)
		if ok && (!item.Has("cert") || !item.Has("key")) {
			item.Errorf("a certificate needs both files; write {cert: PATH, key: PATH}")
			r.ok = false
		}
		list = append(list, p)
	}
	return list
}

func (r *reader) automatic(n *strictyaml.Node) *Automatic {
	a := &Automatic{}
	if n.Kind != strictyaml.Map {
		a.Hosts = r.hosts(n, false)
		return a
	}
	ok := n.Fields("automatic certificates", strictyaml.Fields{
		"hosts":     func(n *strictyaml.Node) { a.Hosts = r.hosts(n, false) },
		"email":     func(n *strictyaml.Node) { a.Email = r.text(n, "an address of mail") },
		"directory": func(n *strictyaml.Node) { a.Directory = r.url(n) },
		"roots":     func(n *strictyaml.Node) { a.Roots = r.text(n, "the path of a file") },
	})
	r.well(ok)
	if ok && !n.Has("hosts") {
		n.Errorf(`it is not said for which hosts; add "hosts: [NAME]"`)
		r.ok = false
	}
	return a
}

func (r *reader) clients(n *strictyaml.Node) *Clients {
	c := &Clients{Ask: "required"}
	ok := n.Fields("clients' certificates", strictyaml.Fields{
		"ask":         func(n *strictyaml.Node) { c.Ask = r.word(n, "ways to ask", "optional", "required") },
		"authorities": func(n *strictyaml.Node) { c.Authorities = r.text(n, "the path of a file") },
	})
	r.well(ok)
	if ok && !n.Has("authorities") {
		n.Errorf(`it is not said who vouches for clients; add "authorities: PATH"`)
		r.ok = false
	}
	return c
}
