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
	"github.com/musterdev/muster/platform/supervise/ctl"
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
		found = append(found, stateFolder(f))
		found = append(found, portFindings(ctx, f)...)
		found = append(found, programs(ctx, f)...)
		found = append(found, fileFindings(f)...)
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

// portFindings checks the ports that are not chosen freely. Those that this folder's own
// fleet holds are as they must be.
func portFindings(ctx context.Context, f *fleet.Fleet) []finding {
	own := ownPorts(ctx, f)
	var found []finding
	for _, p := range fixedPorts(f) {
		check := "port of " + p.Who
		if p.Port == 0 {
			found = append(found, ok(check, "any free one"))
			continue
		}
		switch err := ports.Check(p); {
		case err == nil:
			found = append(found, ok(check, "%d is free", p.Port))
		case own(p.Port):
			found = append(found, ok(check, "%d is in use by this fleet", p.Port))
		default:
			found = append(found, fail(check, "%v", err))
		}
	}
	return found
}

// ownPorts returns whether a port is one of the fleet that runs in this folder.
func ownPorts(ctx context.Context, f *fleet.Fleet) func(int) bool {
	st, err := answered(ctx, fleetDir{Dir: f.Dir}, patience, (*ctl.Client).Status)
	if err != nil {
		return func(int) bool { return false } // none runs
	}
	own := map[int]bool{}
	all := slices.Clone(st.Engines)
	for _, s := range st.Services {
		all = append(all, s.Instances...)
	}
	for _, i := range all {
		own[i.Port], own[i.GRPCPort] = true, true
	}
	if len(st.Engines) == 0 { // up --single: they are in the supervisor
		own[f.Edge.Port], own[f.Control.Port] = true, true
	}
	return func(port int) bool { return own[port] }
}

// fileFindings checks the files that services are told of, and that no service waits
// for what nobody does yet.
func fileFindings(f *fleet.Fleet) []finding {
	var found []finding
	if f.On == fleet.Local {
		if err := checkFiles(f); err != nil {
			found = append(found, fail("service files", "%v", err))
		}
	}
	if text := undelivered(f); text != "" {
		found = append(found, warn("events", "%s", text))
	}
	return found
}

// programs looks for what the services' commands begin with.
func programs(ctx context.Context, f *fleet.Fleet) []finding {
	users := map[string][]string{}
	var found []finding
	for _, s := range f.Services {
		for i, command := range [][]string{s.Build, s.Run} {
			switch key := []string{"build", "run"}[i]; {
			case len(command) == 0 || strings.Contains(command[0], "${"): // known when it is started only
			case strings.Contains(command[0], "/"):
				found = append(found, pathFinding(s, key, command[0]))
			case !slices.Contains(users[command[0]], s.Name):
				users[command[0]] = append(users[command[0]], s.Name)
			}
		}
	}
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

// pathFinding checks a command that is a path. What build makes need not be there yet.
func pathFinding(s fleet.Service, key, command string) finding {
	check := "program " + command
	file := command
	if !filepath.IsAbs(file) {
		file = filepath.Join(s.Dir, file)
	}
	path, err := exec.LookPath(file)
	switch {
	case err == nil:
		return ok(check, "%s", path)
	case errors.Is(err, os.ErrNotExist) && key == "run" && len(s.Build) > 0:
		return ok(check, "not there yet; %q makes it", strings.Join(s.Build, " "))
	case errors.Is(err, os.ErrNotExist):
		return fail(check, "%v", s.Place(key).Errorf("%s does not exist, needed by %s; create it, or correct %q", file, s.Name, key))
	default:
		return fail(check, "%v", s.Place(key).Errorf("%s is not executable, needed by %s: chmod +x it", file, s.Name))
	}
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
