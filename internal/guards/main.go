// Command guards takes each guard of the data patterns and of the edge out in turn and runs the suite
// that must notice: a guard whose absence no test sees is no guard. It changes no file
// (go test -overlay), prints a table, and exits 1 unless every absence was noticed
// within a minute. With arguments it tries only the guards whose name contains one.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// within is how long a suite has to notice.
const within = time.Minute

func main() {
	dir, err := os.MkdirTemp("", "muster-guards-")
	if err == nil {
		err = run(dir, os.Args[1:])
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(dir string, only []string) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "GUARD REMOVED\tWHERE\tNOTICED BY\tAFTER\tNOTICED")
	var missed []string
	for _, g := range slices.Concat(guards(), gateway()) {
		if len(only) > 0 && !slices.ContainsFunc(only, func(part string) bool { return strings.Contains(g.Name, part) }) {
			continue
		}
		test, took, err := g.try(dir)
		if err != nil {
			return fmt.Errorf("guard %q: %w", g.Name, err)
		}
		noticed := "yes"
		if test == "" {
			noticed = "NO"
			missed = append(missed, g.Name)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%.1f s\t%s\n", g.Name, g.Edits[0].File, test, took.Seconds(), noticed)
		fmt.Fprintf(os.Stderr, "%s: noticed: %s (%s)\n", g.Name, noticed, took.Round(time.Second))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(missed) > 0 {
		return fmt.Errorf("no test noticed that these were gone: %s", strings.Join(missed, ", "))
	}
	return nil
}

// try runs the guard's suite without it and returns the first test that failed, "" when
// none did. The code without the guard must compile: a suite that cannot be built has
// noticed nothing.
func (g guard) try(dir string) (failed string, took time.Duration, err error) {
	overlay, err := g.overlay(dir)
	if err != nil {
		return "", 0, err
	}
	build := exec.Command("go", "test", "-overlay", overlay, "-run", "^$", g.Suite)
	if out, err := build.CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("without it the code does not compile:\n%s", out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	began := time.Now()
	// What is killed is the go command: the suite that it started ends by its own bound, soon after.
	test := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-count=1", "-failfast", "-timeout", (within + 5*time.Second).String(), "-run", g.Run, g.Suite)
	out, err := test.CombinedOutput()
	took = time.Since(began)
	if err == nil || ctx.Err() != nil {
		return "", took, nil
	}
	if strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]") { // somebody writes to the tree just now
		return "", took, fmt.Errorf("the suite does not compile any more:\n%s", out)
	}
	return firstFailure(string(out)), took, nil
}

// overlay writes the files without the guard and the list that go test takes.
func (g guard) overlay(dir string) (string, error) {
	texts, replace := map[string]string{}, map[string]string{}
	for _, e := range g.Edits {
		text, again := texts[e.File]
		if !again {
			read, err := os.ReadFile(e.File)
			if err != nil {
				return "", err
			}
			text = string(read)
		}
		if n := strings.Count(text, e.Code); n != 1 {
			return "", fmt.Errorf("%s has %q %d times, not once: correct the table of guards", e.File, e.Code, n)
		}
		texts[e.File] = strings.Replace(text, e.Code, e.Without, 1)
	}
	for file, text := range texts {
		abs, err := filepath.Abs(file)
		if err != nil {
			return "", err
		}
		replace[abs] = filepath.Join(dir, fmt.Sprintf("without%d.go", len(replace)))
		if err := os.WriteFile(replace[abs], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

// firstFailure returns the name of the innermost test that failed first.
func firstFailure(out string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(out), "\n") // of a panic, or what ended the process
	name := "(" + line[:min(len(line), 80)] + ")"
	for line := range strings.Lines(out) {
		if _, after, ok := strings.Cut(line, "--- FAIL: "); ok {
			name, _, _ = strings.Cut(after, " (")
			if !strings.Contains(name, "/") {
				continue // its subtests follow
			}
			return name
		}
	}
	return name
}
