package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/ports"
)

// doctorCmd checks what a fleet needs before it is started.
type doctorCmd struct {
	fleetFlags
	JSON bool `name:"json" help:"Print JSON."`
}

// finding is the outcome of one check.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, warn or fail
	Detail string `json:"detail"`
}

func ok(check, format string, args ...any) finding {
	return finding{check, "ok", fmt.Sprintf(format, args...)}
}

func warn(check, format string, args ...any) finding {
	return finding{check, "warn", fmt.Sprintf(format, args...)}
}

func fail(check, format string, args ...any) finding {
	return finding{check, "fail", fmt.Sprintf(format, args...)}
}

func (c *doctorCmd) Run(ctx context.Context, t terminal) error {
	found := []finding{openFiles()}
	f, err := c.load()
	if err != nil {
		found = append(found, fleetFileFinding(c.File, err))
	} else {
		found = append(found, ok("fleet file", "%s: fleet %s, %d services", c.File, f.Name, len(f.Services)))
		found = append(found, stateFolder(f), port(f.Edge.Port, "edge"), port(f.Control.Port, "control"))
		found = append(found, programs(ctx, f)...)
		found = append(found, c.engines(f)...)
	}
	if err := c.print(t, found); err != nil {
		return err
	}
	if slices.ContainsFunc(found, func(f finding) bool { return f.Status == "fail" }) {
		return errors.New("not everything is as it must be")
	}
	return nil
}

func (c *doctorCmd) print(t terminal, found []finding) error {
	if c.JSON {
		return writeJSON(t.out, found)
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, f := range found {
		// continuation lines of a fleet file with several mistakes stay in their column
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", f.Status, f.Check, strings.ReplaceAll(f.Detail, "\n", "\n\t\t"))
	}
	return w.Flush()
}

// fleetFileFinding tells a missing file, which is no mistake, from a wrong one.
func fleetFileFinding(file string, err error) finding {
	if _, statErr := os.Stat(file); errors.Is(statErr, os.ErrNotExist) {
		return warn("fleet file", "there is no %s here: muster demo needs none, muster up does", file)
	}
	return fail("fleet file", "%v", err)
}

func stateFolder(f *fleet.Fleet) finding {
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

func port(n int, who string) finding {
	if n == 0 {
		return ok("port of "+who, "any free one")
	}
	err := ports.Check(ports.Fixed{Port: n, Who: who, Setting: "MUSTER_" + strings.ToUpper(who) + "_PORT"})
	if err != nil {
		return fail("port of "+who, "%v", err)
	}
	return ok("port of "+who, "%d is free", n)
}

// programs looks for what the services' commands begin with.
func programs(ctx context.Context, f *fleet.Fleet) []finding {
	users := map[string][]string{}
	for _, s := range f.Services {
		for _, command := range [][]string{s.Build, s.Run} {
			if len(command) > 0 && !strings.Contains(command[0], "/") && !slices.Contains(users[command[0]], s.Name) {
				users[command[0]] = append(users[command[0]], s.Name)
			}
		}
	}
	var found []finding
	for _, program := range sortedKeys(users) {
		check := "program " + program
		path, err := exec.LookPath(program)
		switch {
		case err != nil:
			found = append(found, fail(check, "not found in PATH, needed by %s: install it", strings.Join(users[program], ", ")))
		case program == "go":
			out, err := exec.CommandContext(ctx, path, "version").Output()
			if err != nil {
				found = append(found, fail(check, "%s does not run: %v", path, err))
				continue
			}
			found = append(found, ok(check, "%s", strings.TrimSpace(string(out))))
		default:
			found = append(found, ok(check, "%s", path))
		}
	}
	return found
}

// engines warns when a service runs on another database in production than here:
// what was tested is then not what runs.
func (c *doctorCmd) engines(here *fleet.Fleet) []finding {
	flags := c.fleetFlags
	flags.Environment = "production"
	there, err := flags.load()
	if err != nil {
		return nil // the file names no such environment, or it was reported above
	}
	var differ []string
	for _, s := range here.Services {
		if p, ok := there.Service(s.Name); ok && p.Database.Engine != s.Database.Engine {
			differ = append(differ, fmt.Sprintf("%s (%s here, %s there)", s.Name, s.Database.Engine, p.Database.Engine))
		}
	}
	if len(differ) == 0 {
		return []finding{ok("databases", "the same engine here and in production")}
	}
	return []finding{warn("databases", "another engine in production: %s: run the tests on both", strings.Join(differ, ", "))}
}
