package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFresh builds the dashboard and finds what is committed the same, byte for byte.
func TestFresh(t *testing.T) {
	built, committed := t.TempDir(), "../../platform/dashboard/dist"
	if err := bundle("../../platform/dashboard/web", built); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, dir := range []string{built, committed} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names[e.Name()] = true
		}
	}
	for name := range names {
		a, errA := os.ReadFile(filepath.Join(built, name))
		b, errB := os.ReadFile(filepath.Join(committed, name))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("platform/dashboard/dist/%s is not what web builds: run go run ./bundle in tools", name)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	kept := filepath.Join(out, "app.js")
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(kept, "as it was")
	if err := bundle(dir, out); err == nil || !strings.Contains(err.Error(), "is no web application") {
		t.Errorf("an empty folder: %v", err)
	}
	write(filepath.Join(dir, "index.html"), "")
	write(filepath.Join(dir, "icon.svg"), "")
	write(filepath.Join(dir, "tsconfig.json"), "{}")
	write(filepath.Join(dir, "src/main/index.tsx"), "import './missing'")
	if err := bundle(dir, out); err == nil || !strings.Contains(err.Error(), "src/main/index.tsx:1:7") {
		t.Errorf("a mistake is told without its place: %v", err)
	}
	if text, err := os.ReadFile(kept); err != nil || string(text) != "as it was" {
		t.Errorf("a build that failed changed what was there: %q %v", text, err)
	}
}
