// Package figures keeps what a benchmark measures and writes it into docs/benchmarks.md.
package figures

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Figure is one quantity over all rounds.
type Figure struct {
	What   string
	Unit   string
	Target string             // as a person reads it
	Holds  func(float64) bool // judged on the median; nil: reported only
	Goal   bool               // hoped for, and not promised: judged, but no reason to fail
	Values []float64
}

// Put adds what a round came to.
func (f *Figure) Put(v float64) { f.Values = append(f.Values, v) }

// Median needs at least one value.
func (f *Figure) Median() float64 {
	s := slices.Sorted(slices.Values(f.Values))
	if len(s)%2 == 1 {
		return s[len(s)/2]
	}
	return (s[len(s)/2-1] + s[len(s)/2]) / 2
}

// Result is a section of docs/benchmarks.md.
type Result struct {
	Name    string // names the section
	Title   string
	Method  string
	Figures []*Figure
	Beside  string // what is printed below the figures
}

// Add appends a figure, and returns it.
func (r *Result) Add(f *Figure) *Figure {
	r.Figures = append(r.Figures, f)
	return f
}

// Report appends a figure that nothing is asked of.
func (r *Result) Report(what, unit string) *Figure {
	return r.Add(&Figure{What: what, Unit: unit, Target: "reported"})
}

// Putter returns what adds figures, whose names begin with prefix, and then puts a round's values into one.
func (r *Result) Putter(prefix string) func(what, unit, target string, holds func(float64) bool) (put func(float64)) {
	return func(what, unit, target string, holds func(float64) bool) func(float64) {
		return r.Add(&Figure{What: prefix + what, Unit: unit, Target: target, Holds: holds}).Put
	}
}

// Held reports whether all targets did.
func (r *Result) Held() bool {
	for _, f := range r.Figures {
		if f.Holds != nil && !f.Goal && !f.Holds(f.Median()) {
			return false
		}
	}
	return true
}

// Markdown returns the section. Every figure has a value.
func (r *Result) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n\n%s\n\n", r.Title, r.Method, machine())
	b.WriteString("| what | median | range | rounds | target | held |\n|---|---|---|---|---|---|\n")
	for _, f := range r.Figures {
		held := "-"
		if f.Holds != nil {
			held = "yes"
			if !f.Holds(f.Median()) {
				held = "**no**"
			}
		}
		fmt.Fprintf(&b, "| %s | %.4g %s | %.4g - %.4g | %d | %s | %s |\n", f.What, f.Median(), f.Unit,
			slices.Min(f.Values), slices.Max(f.Values), len(f.Values), f.Target, held)
	}
	if r.Beside != "" {
		b.WriteString("\n" + r.Beside)
	}
	return b.String()
}

// machine says when and where the figures were seen.
func machine() string {
	cpu := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.Trim(name, "\t :\n")
				break
			}
		}
	}
	load := "unknown"
	if l, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Fields(string(l))[0]
	}
	commit := "unknown commit"
	if out, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	return fmt.Sprintf("%s, %s %s/%s, %d x %s, load average %s at the end, commit %s.",
		time.Now().Format("2006-01-02"), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpu, load, commit)
}

// WriteInto replaces the section of this name in a Markdown file, or appends it.
func (r *Result) WriteInto(file string) error {
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	begin, end := "<!-- begin "+r.Name+" -->\n", "<!-- end "+r.Name+" -->\n"
	section := begin + r.Markdown() + end
	text := string(old)
	if i, j := strings.Index(text, begin), strings.Index(text, end); i >= 0 && j > i {
		text = text[:i] + section + text[j+len(end):]
	} else {
		text += "\n" + section
	}
	return os.WriteFile(file, []byte(text), 0o644)
}
