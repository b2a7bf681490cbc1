package preflight

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/ports"
)

// Examine checks everything a fleet on this machine needs. own says which ports the
// fleet holds itself, as it runs already; nil: it does not run. production is the same
// file with that environment laid over it; nil: there is none. It starts nothing, and
// leaves nothing but the fleet's folder.
func Examine(ctx context.Context, f *fleet.Fleet, own func(port int) bool, production *fleet.Fleet) []Finding {
	found := []Finding{stateFolder(f)}
	found = append(found, portFindings(f, own)...)
	found = append(found, programs(ctx, f)...)
	found = append(found, fileFindings(f)...)
	found = append(found, filterFindings(f)...)
	if production != nil {
		found = append(found, databases(f, production))
	}
	return found
}

// FleetFile is the finding about a muster.yaml that cannot be read. That there is none is
// no mistake: the demo needs none.
func FleetFile(file string, err error) Finding {
	if _, statErr := os.Stat(file); errors.Is(statErr, os.ErrNotExist) {
		return warn("fleet file", "there is no %s here: muster demo needs none, muster up does", file)
	}
	return fail("fleet file", "%v", err)
}

// Machine checks what any fleet needs of this machine.
func Machine() []Finding { return []Finding{openFiles()} }

func stateFolder(f *fleet.Fleet) Finding {
	dir := filepath.Join(f.Dir, supervise.Folder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fail("state folder", "%v: muster keeps logs, sockets and SQLite files there", err)
	}
	probe, err := os.CreateTemp(dir, "doctor")
	if err != nil {
		return fail("state folder", "%v: make %s writable", err, dir)
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name()) // it was only to see whether it could be made
	return ok("state folder", "%s", dir)
}

// portFindings checks the ports that are not chosen freely. Those that this folder's own
// fleet holds are as they must be.
func portFindings(f *fleet.Fleet, own func(int) bool) []Finding {
	var found []Finding
	for _, p := range fixedPorts(f) {
		check := "port of " + p.Who
		if p.Port == 0 {
			found = append(found, ok(check, "any free one"))
			continue
		}
		switch err := ports.Check(p); {
		case err == nil:
			found = append(found, ok(check, "%d is free", p.Port))
		case own != nil && own(p.Port):
			found = append(found, ok(check, "%d is in use by this fleet", p.Port))
		default:
			found = append(found, fail(check, "%v", err))
		}
	}
	return found
}

// fileFindings checks the files that services are told of, and that somebody posts
// the events they wait for.
func fileFindings(f *fleet.Fleet) []Finding {
	var found []Finding
	if f.On == fleet.Local {
		if err := Files(f); err != nil {
			found = append(found, fail("service files", "%v", err))
		}
	}
	switch text := Undelivered(f); {
	case text != "":
		found = append(found, warn("events", "%s", text))
	case Broker(f) && f.Bus == "":
		found = append(found, ok("events", "a broker of the fleet's own"))
	case Broker(f):
		found = append(found, ok("events", "the broker of bus:, and events over HTTP"))
	}
	return found
}

// databases warns when a service runs on another database in production than here:
// what was tested is then not what runs.
func databases(here, there *fleet.Fleet) Finding {
	var differ []string
	for _, s := range here.Services {
		if p, ok := there.Service(s.Name); ok && p.Database.Engine != s.Database.Engine {
			differ = append(differ, fmt.Sprintf("%s (%s here, %s there)", s.Name, s.Database.Engine, p.Database.Engine))
		}
	}
	if len(differ) == 0 {
		return ok("databases", "the same engine here and in production")
	}
	return warn("databases", "another engine in production: %s: run the tests on both", strings.Join(differ, ", "))
}
