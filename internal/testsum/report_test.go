package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sample is a package in which every kind of end happens.
const sample = `package sample

import "testing"

func TestPasses(t *testing.T) { t.Log("said by one that passed") }

func TestSubtests(t *testing.T) {
	t.Run("good", func(t *testing.T) {})
	t.Run("bad", func(t *testing.T) { t.Error("bad is bad") })
}

func TestSuite(t *testing.T) { t.Skip("suite postgres: no server here") }

func TestSkipped(t *testing.T) {
	t.Log("first")
	t.Skip("running as root")
}
`

// events runs `go test -json` on a package of files and returns what it writes.
func events(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.com/sample\n"
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, _ := cmd.CombinedOutput() // failing is what the sample is for
	return string(out)
}

func TestReportCountsLeavesAndShowsFailures(t *testing.T) {
	r, live := newReport(), &strings.Builder{}
	r.live = live
	if err := r.read(strings.NewReader(events(t, map[string]string{"x_test.go": sample}))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FAIL  example.com/sample", "bad is bad"} {
		if !strings.Contains(live.String(), want) {
			t.Errorf("lacks %q:\n%s", want, live)
		}
	}
	if strings.Contains(live.String(), "said by one that passed") {
		t.Errorf("shows what a passed test said:\n%s", live)
	}
	var out strings.Builder
	r.summarize(&out, false)
	want := `skipped: running as root
    sample.TestSkipped
skipped: suite postgres: no server here
    sample.TestSuite
2 passed, 1 failed, 2 skipped
`
	if out.String() != want {
		t.Errorf("summary:\n%s\nwant:\n%s", &out, want)
	}
	if r.failed(false) != 1 || r.failed(true) != 2 {
		t.Errorf("failed: %d, strictly %d", r.failed(false), r.failed(true))
	}
}

func TestReportSeesWhatFailsOutsideTests(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"build": {"x_test.go": "package x\n\nvar x = undefined\n"},
		"panic": {"x_test.go": "package x\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { panic(\"why it ended\") }\n"},
		"main":  {"x_test.go": "package x\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestMain(m *testing.M) { println(\"why it ended\"); os.Exit(3) }\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r, live := newReport(), &strings.Builder{}
			r.live = live
			if err := r.read(strings.NewReader(events(t, files))); err != nil {
				t.Fatal(err)
			}
			if r.failed(false) != 1 {
				t.Errorf("failed: %d\n%s", r.failed(false), live)
			}
			if !strings.Contains(live.String(), "undefined") && !strings.Contains(live.String(), "why it ended") {
				t.Errorf("the cause is not shown:\n%s", live)
			}
		})
	}
	r := newReport()
	if err := r.read(strings.NewReader("go: go.mod is broken\n")); err != nil || r.failed(false) != 1 {
		t.Errorf("a run that could not begin: %d failed, %v", r.failed(false), err)
	}
}

func TestReportPassesWhenAllPass(t *testing.T) {
	r := newReport()
	if err := r.read(strings.NewReader(events(t, map[string]string{"x_test.go": "package x\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) {}\n"}))); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if r.summarize(&out, true); out.String() != "1 passed, 0 failed, 0 skipped\n" {
		t.Error(&out)
	}
}
