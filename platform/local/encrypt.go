package local

import (
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/gateway/certs"
	"github.com/musterdev/muster/strictyaml"
)

// Certificates are what is wrong with the files by which the edge of a fleet is to speak TLS, each
// mistake where the file of the fleet names it; nil: nothing.
type Certificates struct {
	Unusable error // the edge does not start with these
	Refused  error // clients refuse what they are shown
	Ending   error // what expires within 14 days
}

// CheckTLS reads these files. On another target than this machine they are not looked for.
func CheckTLS(f *fleet.Fleet, now time.Time) Certificates {
	told := encrypted(f)
	if told == nil || f.On != fleet.Local {
		return Certificates{}
	}
	graded := map[certs.Grade]*strictyaml.Collector{certs.Unusable: {}, certs.Refused: {}, certs.Ending: {}}
	for _, found := range certs.Examine(*told, now) {
		graded[found.Grade].Add(f.EdgePlace(found.Field).Errorf("%s: %s", found.Field, found.Reason))
	}
	return Certificates{graded[certs.Unusable].Err(), graded[certs.Refused].Err(), graded[certs.Ending].Err()}
}

// encrypted turns what the fleet says of TLS into the edge's configuration; nil: it speaks none.
func encrypted(f *fleet.Fleet) *certs.Config {
	t := f.Edge.TLS
	if t == nil {
		return nil
	}
	c := &certs.Config{
		Listen:  net.JoinHostPort("127.0.0.1", strconv.Itoa(t.Port)),
		Default: t.Default, Least: t.Least, Redirect: t.Redirect,
	}
	if t.Local {
		c.Local = &certs.Local{Hosts: t.Hosts}
	}
	for _, p := range t.Files {
		c.Files = append(c.Files, certs.Pair{Cert: beside(f, p.Cert), Key: beside(f, p.Key)})
	}
	if a := t.Automatic; a != nil {
		c.Automatic = &certs.Automatic{Hosts: a.Hosts, Email: a.Email, Directory: a.Directory, Roots: beside(f, a.Roots)}
	}
	if t.Clients != nil {
		c.Clients = &certs.Clients{Ask: t.Clients.Ask, Authorities: beside(f, t.Clients.Authorities)}
	}
	return c
}

// beside makes a path of muster.yaml one from anywhere.
func beside(f *fleet.Fleet, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.Dir, path)
}
