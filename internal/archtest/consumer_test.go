package archtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pins is what a service that is a few years old may hold on to: package to
// module@version, none of it new.
func pins() map[string]string {
	return map[string]string{
		"github.com/go-chi/chi/v5":                       "github.com/go-chi/chi/v5@v5.0.8",
		"github.com/google/uuid":                         "github.com/google/uuid@v1.3.0",
		"github.com/gorilla/mux":                         "github.com/gorilla/mux@v1.8.0",
		"github.com/jackc/pgx/v5":                        "github.com/jackc/pgx/v5@v5.4.0",
		"github.com/prometheus/client_golang/prometheus": "github.com/prometheus/client_golang@v1.16.0",
		"github.com/redis/go-redis/v9":                   "github.com/redis/go-redis/v9@v9.0.5",
		"github.com/spf13/cobra":                         "github.com/spf13/cobra@v1.7.0",
		"github.com/stretchr/testify/assert":             "github.com/stretchr/testify@v1.8.1",
		"go.uber.org/zap":                                "go.uber.org/zap@v1.24.0",
		"golang.org/x/sync/errgroup":                     "golang.org/x/sync@v0.3.0",
		"gopkg.in/yaml.v3":                               "gopkg.in/yaml.v3@v3.0.1",
	}
}

// TestConsumerKeepsItsVersions adds the whole library to a service that pins old
// versions of popular modules. Nothing may move but what gRPC and OpenTelemetry
// themselves ask for, and the service must still compile. It needs the module
// proxy, or a module cache that has been there before.
func TestConsumerKeepsItsVersions(t *testing.T) {
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file(t, dir, "go.mod", "module consumer\n\ngo 1.26.0\n\nrequire (\n"+requires()+")\n")
	file(t, dir, "pins.go", imports(pins()))
	if out, err := goRun(t, dir, "mod", "tidy"); err != nil {
		const why = "suite consumer: the module proxy cannot be reached"
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s\n%s", why, out)
		}
		t.Skipf("%s\n%s", why, out)
	}
	before := Versions(mustGo(t, dir, "list", "-m", "all"))

	tree, err := Load(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	library := map[string]string{}
	for _, p := range tree.Packages {
		if p.Module == "." && !strings.Contains(p.Folder+"/", "internal/") && slices.ContainsFunc(p.Files, func(f File) bool { return !f.Test }) {
			library[strings.TrimSuffix(Module+"/"+p.Folder, "/.")] = ""
		}
	}
	file(t, dir, "library.go", imports(library))
	mustGo(t, dir, "mod", "edit", "-require="+Module+"@v0.0.0", "-replace="+Module+"="+root)
	mustGo(t, dir, "mod", "tidy")
	after := Versions(mustGo(t, dir, "list", "-m", "all"))

	closure := Closure(mustGo(t, dir, "mod", "graph"), "google.golang.org/grpc@", "go.opentelemetry.io/")
	free := 0
	for _, pin := range pins() {
		if module, _, _ := strings.Cut(pin, "@"); !closure[module] {
			free++
		}
	}
	if free < 7 {
		t.Errorf("only %d of %d pins lie outside the closure: the test says too little", free, len(pins()))
	}
	for _, m := range Moved(before, after) {
		if line := fmt.Sprintf("%s moved from %s to %s", m, before[m], after[m]); closure[m] {
			t.Log(line + ", asked for by gRPC or OpenTelemetry")
		} else {
			t.Error(line + "; the library's go.mod must not force this on a service")
		}
	}
	mustGo(t, dir, "build", "./...")
}

func requires() string {
	var b strings.Builder
	for _, pin := range pins() {
		b.WriteString("\t" + strings.Replace(pin, "@", " ", 1) + "\n")
	}
	return b.String()
}

func imports(packages map[string]string) string {
	var b strings.Builder
	b.WriteString("package consumer\n\nimport (\n")
	for name := range packages {
		fmt.Fprintf(&b, "\t_ %q\n", name)
	}
	return b.String() + ")\n"
}

func file(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustGo(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := goRun(t, dir, args...)
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// goRun runs the go command outside any workspace and returns what it says.
func goRun(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestMovedAndClosureTellTheLibrarysFaultFromItsDependencies(t *testing.T) {
	before := Versions("consumer\nexample.com/a v1.0.0\nexample.com/b v1.0.0\nexample.com/c v1.0.0\n")
	after := Versions("consumer\nexample.com/a v1.1.0\nexample.com/b v1.2.0\nexample.com/c v1.0.0\nexample.com/new v1.0.0\n")
	if moved := Moved(before, after); !slices.Equal(moved, []string{"example.com/a", "example.com/b"}) {
		t.Errorf("moved: %v", moved)
	}
	closure := Closure(`consumer example.com/muster@v0.0.0
example.com/muster@v0.0.0 google.golang.org/grpc@v1.85.0
example.com/muster@v0.0.0 example.com/b@v1.2.0
google.golang.org/grpc@v1.85.0 example.com/between@v1.0.0
example.com/between@v1.0.0 example.com/a@v1.1.0
`, "google.golang.org/grpc@")
	if !closure["example.com/a"] || !closure["google.golang.org/grpc"] || closure["example.com/b"] || closure["consumer"] {
		t.Errorf("closure: %v", closure)
	}
}
