package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// figure is one quantity over all rounds.
type figure struct {
	what   string
	unit   string
	target string             // as a person reads it
	holds  func(float64) bool // judged on the median; nil: reported only
	goal   bool               // hoped for, and not promised: judged, but no reason to fail
	values []float64
}

func (f *figure) median() float64 {
	s := slices.Sorted(slices.Values(f.values))
	if len(s)%2 == 1 {
		return s[len(s)/2]
	}
	return (s[len(s)/2-1] + s[len(s)/2]) / 2
}

// result is a section of docs/benchmarks.md.
type result struct {
	name    string // names the section
	title   string
	method  string
	figures []*figure
	beside  string // what is printed below the figures
}

func (r *result) add(f *figure) *figure {
	r.figures = append(r.figures, f)
	return f
}

func (r *result) held() bool {
	for _, f := range r.figures {
		if f.holds != nil && !f.goal && !f.holds(f.median()) {
			return false
		}
	}
	return true
}

func (r *result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n\n%s\n\n", r.title, r.method, machine())
	b.WriteString("| what | median | range | rounds | target | held |\n|---|---|---|---|---|---|\n")
	for _, f := range r.figures {
		held := "-"
		if f.holds != nil {
			held = "yes"
			if !f.holds(f.median()) {
				held = "**no**"
			}
		}
		fmt.Fprintf(&b, "| %s | %.4g %s | %.4g - %.4g | %d | %s | %s |\n", f.what, f.median(), f.unit,
			slices.Min(f.values), slices.Max(f.values), len(f.values), f.target, held)
	}
	if r.beside != "" {
		b.WriteString("\n" + r.beside)
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

// writeInto replaces the section of this name in a Markdown file, or appends it.
func (r *result) writeInto(file string) error {
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	begin, end := "<!-- begin "+r.name+" -->\n", "<!-- end "+r.name+" -->\n"
	section := begin + r.markdown() + end
	text := string(old)
	if i, j := strings.Index(text, begin), strings.Index(text, end); i >= 0 && j > i {
		text = text[:i] + section + text[j+len(end):]
	} else {
		text += "\n" + section
	}
	return os.WriteFile(file, []byte(text), 0o644)
}
