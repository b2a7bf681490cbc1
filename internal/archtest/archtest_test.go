package archtest

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository is where the tests run from: two folders below the root.
const repository = "../.."

var update = flag.Bool("update", false, "draw the picture in the README anew")

// TestRepository holds every rule against the tree as it is.
func TestRepository(t *testing.T) {
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Load(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	report, sizes := Sizes(tree)
	t.Logf("%s", report)
	for name, found := range map[string][]Finding{
		"arrows":        Arrows(tree, Floors()),
		"delete-muster": Deletable(tree),
		"names":         Names(tree),
		"sizes":         sizes,
		"state":         State(tree, Exceptions()),
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range found {
				t.Error(f)
			}
		})
	}
	t.Run("workspace", func(t *testing.T) { workspace(t, root, tree) })
	t.Run("picture", func(t *testing.T) { picture(t, root, tree) })
	t.Run("services compile without muster", func(t *testing.T) { compileWithout(t, root, tree) })
}

// workspace finds modules that go.work does not name, which no check would see. The
// linters' module and that of benchmarks' peers stay out of it, so that their versions move nobody's.
func workspace(t *testing.T, root string, tree *Tree) {
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && (entry.Name() == "testdata" || len(entry.Name()) > 1 && entry.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if err == nil && entry.Name() == "go.mod" {
			folder, err := relative(root, filepath.Dir(name))
			if err != nil {
				return err
			}
			if folder != "tools" && !strings.HasPrefix(folder+"/", "bench/peers/") && !slices.Contains(tree.Modules, folder) {
				t.Errorf("%s/go.mod: the module is not in go.work; add it there", folder)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// picture compares the README with the import graph, or redraws it.
func picture(t *testing.T, root string, tree *Tree) {
	readme := filepath.Join(root, "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := Splice(string(text), Draw(tree, Boxes()))
	if err != nil {
		t.Fatalf("README.md: %v", err)
	}
	if drawn == string(text) {
		return
	}
	if !*update {
		t.Fatalf("README.md: the picture of the floors is not what the imports say; run: make picture\n%s", Draw(tree, Boxes()))
	}
	if err := os.WriteFile(readme, []byte(drawn), 0o644); err != nil {
		t.Fatal(err)
	}
}

// compileWithout builds each service of the shop with its main.go and run.go taken
// away, which is what its author would be left with after deleting Muster.
func compileWithout(t *testing.T, root string, tree *Tree) {
	gone := map[string]string{} // as in `go help build`, -overlay
	var services []string
	for _, p := range tree.Packages {
		rest, ok := strings.CutPrefix(p.Folder, "shop/")
		if !ok || strings.Contains(rest, "/") {
			continue
		}
		left := 0
		for _, f := range p.Files {
			switch base := filepath.Base(f.Path); {
			case base == "main.go" || base == "run.go":
				gone[filepath.Join(root, f.Path)] = ""
			case !f.Test:
				left++
			}
		}
		if left > 0 {
			services = append(services, "./"+p.Folder)
		}
	}
	if len(services) == 0 {
		t.Skip("the shop has no service yet")
	}
	text, err := json.Marshal(map[string]any{"Replace": gone})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-overlay", file}, services...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
}

// TestModuleBudget counts what a service's author takes on by importing the library.
func TestModuleBudget(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "all")
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	n := strings.Count(string(out), "\n")
	t.Logf("go list -m all: %d modules, the budget is %d", n, MaxModules)
	if n > MaxModules {
		t.Errorf("go.mod: the library pulls %d modules, the budget is %d; put what needs them into a module of its own:\n%s", n, MaxModules, out)
	}
}
