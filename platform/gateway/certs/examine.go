package certs

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// soon is how long before its end a certificate that somebody else renews is worth a word.
const soon = 14 * 24 * time.Hour

// Finding is one thing that is wrong with the files of a [Config].
type Finding struct {
	Field  string // where in the Config, such as "tls.files[0].key"
	Reason string // what is wrong, and what to do
	Grade  Grade
}

// Grade is how bad a [Finding] is.
type Grade int

// The grades.
const (
	Unusable Grade = iota // an edge does not start with it
	Refused               // it starts, and clients refuse what they are shown
	Ending                // all is well, and will soon not be
)

// Examine reads what a valid Config names, as [Open] would, and returns all that is wrong with
// it, in its order: files that are missing or cannot be used, certificates that have ended or
// will within 14 days of now, and a Default for which there is none. Nobody is asked, and
// nothing is written.
func Examine(c Config, now time.Time) []Finding {
	e := &examiner{served: c.named()}
	for i, p := range c.Files {
		e.pair(fmt.Sprintf("tls.files[%d]", i), p, now)
	}
	if c.Automatic != nil && c.Automatic.Roots != "" {
		e.pool("tls.automatic.roots", c.Automatic.Roots)
	}
	if c.Clients != nil {
		e.pool("tls.clients.authorities", c.Clients.Authorities)
	}
	if err := c.checkDefault(e.served); err != nil && !e.missing {
		e.say(Unusable, "tls.default", "%v", err)
	}
	return e.found
}

// examiner collects what it finds.
type examiner struct {
	found   []Finding
	served  []string // hosts that have a certificate
	missing bool     // some of whose hosts nothing is known
}

func (e *examiner) say(grade Grade, field, format string, args ...any) {
	e.found = append(e.found, Finding{Field: field, Reason: fmt.Sprintf(format, args...), Grade: grade})
}

func (e *examiner) pair(field string, p Pair, now time.Time) {
	there := true
	for _, f := range []struct{ at, path string }{{".cert", p.Cert}, {".key", p.Key}} {
		if err := readable(f.path); err != nil {
			e.say(Unusable, field+f.at, "%v; create the file, or correct the path", err)
			there = false
		}
	}
	if !there {
		e.missing = true
		return
	}
	cert, err := load(p)
	if err != nil {
		e.missing = true
		e.say(Unusable, field, "%v; put a certificate and its own key there, both in PEM", err)
		return
	}
	e.served = append(e.served, hosts(cert)...)
	switch from, until := cert.Leaf.NotBefore, cert.Leaf.NotAfter; {
	case !now.Before(until):
		e.say(Refused, field+".cert", "the certificate %s expired on %s; renew it", p.Cert, until.Format(time.DateOnly))
	case now.Before(from):
		e.say(Refused, field+".cert", "the certificate %s counts from %s on only; wait, or set the clock", p.Cert, from.Format(time.RFC3339))
	case until.Sub(now) < soon:
		e.say(Ending, field+".cert", "the certificate %s expires on %s; renew it", p.Cert, until.Format(time.DateOnly))
	}
}

func (e *examiner) pool(field, path string) {
	if err := readable(path); err != nil {
		e.say(Unusable, field, "%v; create the file, or correct the path", err)
	} else if _, err := readPool(path); err != nil {
		e.say(Unusable, field, "%v; put the certificates of authorities there", err)
	}
}

// named are the hosts for which there are certificates beside those in files.
func (c Config) named() []string {
	var list []string
	if c.Automatic != nil {
		list = append(list, c.Automatic.Hosts...)
	}
	if c.Local != nil {
		list = append(append(list, c.Local.Hosts...), "localhost", "*.localhost")
	}
	return list
}

// checkDefault says that there is no certificate for the host that is to be shown to all others.
func (c Config) checkDefault(served []string) error {
	host := strings.ToLower(c.Default)
	_, parent, _ := strings.Cut(host, ".")
	if host == "" || slices.Contains(served, host) || slices.Contains(served, "*."+parent) {
		return nil
	}
	return fmt.Errorf("there is no certificate for %q; name a host that has one", c.Default)
}

// readable says why a file cannot be read.
func readable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s does not exist", path)
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", path, errors.Unwrap(err))
	}
	return f.Close()
}
