package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action  string  `json:"Action"`
	Package string  `json:"Package"`
	Test    string  `json:"Test"`
	Output  string  `json:"Output"`
	Elapsed float64 `json:"Elapsed"` // seconds
}

// test names one test, subtest, example or fuzz target; without a name it stands
// for its whole package.
type test struct {
	pkg, name string
}

// report gathers what events say. It is for one goroutine.
type report struct {
	live    io.Writer // told of packages and failures as they end; nil for nobody
	result  map[test]string
	parent  map[test]bool // has subtests, which are counted instead of it
	output  map[test]*strings.Builder
	reasons map[test]string // of those skipped
	broken  []string        // packages that failed by no test of theirs
}

func newReport() *report {
	return &report{result: map[test]string{}, parent: map[test]bool{}, output: map[test]*strings.Builder{}, reasons: map[test]string{}}
}

// read takes all events of one or more runs. Lines that are not JSON, which the go
// command writes when it cannot even begin, are passed on and count as a failure.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if text := strings.TrimSpace(line); text != "" {
			var e event
			if json.Unmarshal([]byte(text), &e) == nil && e.Action != "" {
				r.take(e)
			} else {
				r.printf("%s\n", text)
				r.broken = append(r.broken, text)
			}
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	t := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		r.printf("%s", e.Output)
	case "output":
		if r.output[t] == nil {
			r.output[t] = &strings.Builder{}
		}
		r.output[t].WriteString(e.Output)
		if _, share, ok := strings.Cut(e.Output, ": share: "); ok { // a figure that is to be seen each time
			r.printf("      %s", share)
		}
	case "run":
		r.result[t] = "running"
		if i := strings.LastIndex(e.Test, "/"); i > 0 {
			r.parent[test{e.Package, e.Test[:i]}] = true
		}
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
			return
		}
		r.result[t] = e.Action
		if e.Action == "skip" {
			r.reasons[t] = reason(r.text(t))
		}
		if e.Action != "fail" {
			delete(r.output, t)
		}
	}
}

// endPackage prints a package's line; for one that failed, what its failed tests
// wrote, and those that were cut off.
func (r *report) endPackage(e event) {
	if e.Action != "fail" {
		if e.Action == "pass" {
			r.printf("ok    %s %.1fs\n", e.Package, e.Elapsed)
		}
		delete(r.output, test{e.Package, ""})
		return
	}
	r.printf("FAIL  %s %.1fs\n", e.Package, e.Elapsed)
	byTest := false
	for _, t := range slices.SortedFunc(maps.Keys(r.output), func(a, b test) int { return strings.Compare(a.name, b.name) }) {
		if t.pkg != e.Package {
			continue
		}
		if r.result[t] == "running" { // a panic or a time-out ended the program
			r.result[t] = "fail"
		}
		byTest = byTest || t.name != "" && r.result[t] == "fail"
		r.printf("%s", indent(r.text(t)))
		delete(r.output, t)
	}
	if !byTest {
		r.broken = append(r.broken, e.Package)
	}
}

func (r *report) text(t test) string {
	if b := r.output[t]; b != nil {
		return b.String()
	}
	return ""
}

func (r *report) printf(format string, args ...any) {
	if r.live != nil {
		fmt.Fprintf(r.live, format, args...)
	}
}

// count returns how many tests, those with subtests left out, ended as result.
func (r *report) count(result string) int {
	n := 0
	for t, got := range r.result {
		if got == result && !r.parent[t] {
			n++
		}
	}
	return n
}

// failed counts failures; strict adds the suites that were skipped.
func (r *report) failed(strict bool) int {
	n := r.count("fail") + len(r.broken)
	for t, got := range r.result { // a test that fails beside its subtests
		if got == "fail" && r.parent[t] && !r.belowFailed(t) {
			n++
		}
	}
	if strict {
		n += len(r.suites())
	}
	return n
}

func (r *report) belowFailed(t test) bool {
	for other, got := range r.result {
		if got == "fail" && other.pkg == t.pkg && strings.HasPrefix(other.name, t.name+"/") {
			return true
		}
	}
	return false
}

// suites returns the skipped tests that stand for a whole suite.
func (r *report) suites() []test {
	var found []test
	for t, why := range r.reasons {
		if strings.HasPrefix(why, "suite ") {
			found = append(found, t)
		}
	}
	return found
}

// summarize lists the skipped tests by name, and closes with the counts.
func (r *report) summarize(out io.Writer, strict bool) {
	byReason := map[string][]string{}
	for t, why := range r.reasons {
		byReason[why] = append(byReason[why], t.pkg[strings.LastIndex(t.pkg, "/")+1:]+"."+t.name)
	}
	for _, why := range slices.Sorted(maps.Keys(byReason)) {
		names := byReason[why]
		slices.Sort(names)
		kind := "skipped"
		if strict && strings.HasPrefix(why, "suite ") {
			kind = "skipped, which counts as failed where CI=true"
		}
		fmt.Fprintf(out, "%s: %s\n    %s\n", kind, why, strings.Join(names, "\n    "))
	}
	for _, what := range r.broken {
		fmt.Fprintf(out, "failed outside any test: %s\n", what)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", r.count("pass"), r.failed(strict), r.count("skip"))
}

var position = regexp.MustCompile(`^\S+\.go:\d+: `)

// reason finds in a skipped test's output why it was skipped.
func reason(output string) string {
	why := "no reason given"
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") && position.MatchString(line) {
			why = position.ReplaceAllString(line, "")
		}
	}
	return why
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}
