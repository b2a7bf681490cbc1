package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// write puts files into the current folder.
func write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoadFromDisk(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, map[string]string{
		"shop/muster.yaml":      "{fleet: shop, include: ../pay/muster.yaml, services: {a: {run: ./a, config: a.yaml}}}",
		"pay/muster.yaml":       "{include: [more/muster.yaml], services: {b: {run: ./b, dir: src}}}",
		"pay/more/muster.yaml":  "{services: {c: {run: ./c}}}",
		"elsewhere/placeholder": "",
	})
	f, err := Load("shop/muster.yaml", Options{Env: os.LookupEnv})
	if err != nil {
		t.Fatal(err)
	}
	dir, err = os.Getwd() // symbolic links resolved, as in f
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"shop", "pay/src", "pay/more"} {
		if got := f.Services[i].Dir; got != filepath.Join(dir, filepath.FromSlash(want)) {
			t.Errorf("%s is in %s, want %s", f.Services[i].Name, got, want)
		}
	}
	if len(f.Files) != 3 || f.Dir != filepath.Join(dir, "shop") || f.Services[0].Config != filepath.Join(dir, "shop", "a.yaml") {
		t.Errorf("files %v, folder %s, config %s", f.Files, f.Dir, f.Services[0].Config)
	}
	absolute, err := Load(filepath.Join(dir, "shop", "muster.yaml"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if changes := Diff(f, absolute); !changes.Empty() {
		t.Errorf("named absolutely it differs: %+v", changes)
	}
}

func TestLoadRefusesWhatIsNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, map[string]string{
		"large.yaml":     "fleet: shop\n#" + strings.Repeat("x", MaxFileSize),
		"exact.yaml":     "{fleet: shop, services: {a: {run: ./a}}}\n#",
		"folder/x":       "",
		"includes.yaml":  "fleet: shop\nservices: {a: {run: ./a}}\ninclude: [folder, large.yaml, missing.yaml]",
		"binary.yaml":    "\x7fELF\x02\x01\x01",
		"utf16.yaml":     "\xff\xfef\x00",
		"latin1.yaml":    "fleet: caf\xe9",
		"loop/self.yaml": "",
	})
	exact := "{fleet: shop, services: {a: {run: ./a}}}\n#"
	write(t, map[string]string{"exact.yaml": exact + strings.Repeat("x", MaxFileSize-len(exact))})
	cases := map[string]string{
		"missing.yaml": "missing.yaml: the file does not exist; go to its folder, or name it",
		"folder":       "folder: this is a folder; name the file in it",
		"large.yaml":   "large.yaml: the file is larger than 1024 KiB; split it",
		"includes.yaml": "includes.yaml:3:11: include folder: this is a folder; name the file in it\n" +
			"includes.yaml:3:19: include large.yaml: the file is larger than 1024 KiB; split it\n" +
			"includes.yaml:3:31: include missing.yaml: the file does not exist; go to its folder, or name it",
		"binary.yaml": "binary.yaml:1:1: a control character stands here; remove it",
		"utf16.yaml":  "utf16.yaml:1:1: the file is UTF-16; save it as UTF-8",
		"latin1.yaml": "latin1.yaml:1:11: this byte is not UTF-8; save the file as UTF-8",
	}
	if runtime.GOOS == "linux" {
		cases["/dev/zero"] = "/dev/zero: this is not a plain file; name one"
	}
	for path, want := range cases {
		_, err := Load(path, Options{})
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
			continue
		}
		checkErrors(t, err)
	}
	if _, err := Load("exact.yaml", Options{}); err != nil {
		t.Errorf("a file of exactly the largest size: %v", err)
	}
}

func TestIncludeByLinkIsTheSameFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, map[string]string{"muster.yaml": "{fleet: shop, services: {a: {run: ./a}}, include: link.yaml}"})
	if err := os.Symlink("muster.yaml", "link.yaml"); err != nil {
		t.Skip("no symbolic links here")
	}
	const want = "muster.yaml:1:51: include cycle: muster.yaml -> link.yaml; remove one of these includes"
	if _, err := Load("muster.yaml", Options{}); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestBounds checks that hostile files end soon, in an error.
func TestBounds(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("fleet: shop\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&bomb, "x%d: &x%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 10))
	}
	var merges strings.Builder
	merges.WriteString("fleet: shop\nx0: &x0 {a: 1}\n")
	for i := 1; i < 60; i++ {
		fmt.Fprintf(&merges, "x%d: &x%d {<<: [*x%d, *x%d]}\n", i, i, i-1, i-1)
	}
	deep := func(read string) (*Fleet, error) { // each file includes the next
		return load("0.yaml", Options{}, func(path string) ([]byte, error) {
			n := 0
			if _, err := fmt.Sscanf(path, "%d.yaml", &n); err != nil {
				return nil, err
			}
			return fmt.Appendf(nil, read, n+1), nil
		})
	}
	for name, test := range map[string]struct {
		load func() (*Fleet, error)
		want string
	}{
		"alias bomb":   {func() (*Fleet, error) { return text(bomb.String()) }, "the file holds more than 100000 values, aliases expanded; make it smaller"},
		"merge bomb":   {func() (*Fleet, error) { return text(merges.String()) }, "more than 100000 values"},
		"deep nesting": {func() (*Fleet, error) { return text("x: " + strings.Repeat("[", 200) + strings.Repeat("]", 200)) }, "nested more than 32 deep"},
		"very deep":    {func() (*Fleet, error) { return text("x: " + strings.Repeat("[", 500_000)) }, "muster.yaml"},
		"deep blocks":  {func() (*Fleet, error) { return text(strings.Repeat("- ", 300_000)) }, "muster.yaml"},
		"long line":    {func() (*Fleet, error) { return text("fleet: " + strings.Repeat("x", 1<<20-7)) }, "is no name"},
		"long key":     {func() (*Fleet, error) { return text(strings.Repeat("x", 1000) + ": 1") }, "unknown key"},
		"many keys":    {func() (*Fleet, error) { return text(strings.Repeat("k: 1\n", 200_000)) }, "and "},
		"unknown topics": {func() (*Fleet, error) {
			return text("fleet: f\nservices:\n a:\n  run: a\n  publishes: [" + numbered("v.v%d, ", MaxWires) + "]\n  on: {" + numbered("x.*.a%d: POST /, ", MaxSubscriptions) + "}")
		}, "no service publishes"},
		"known topics": {func() (*Fleet, error) {
			return text("fleet: f\nservices:\n a:\n  run: a\n  bad: 1\n  publishes: [" + numbered("v.a%d.c, ", MaxWires) + "]\n  on: {" + numbered("v.a%d.*: POST /, ", MaxSubscriptions) + "}")
		}, "unknown key"},
		"topics": {func() (*Fleet, error) {
			return text("fleet: f\nservices:\n a:\n  run: a\n  publishes: [" + numbered("v.v%d, ", MaxWires+1) + "]")
		}, "more than 4000 topics"},
		"routes": {func() (*Fleet, error) {
			return text("fleet: f\nservices:\n a:\n  run: a\n  route: [" + numbered("/v%d, ", MaxWires+1) + "]")
		}, "more than 4000 routes"},
		"references": {func() (*Fleet, error) {
			return text("fleet: f\nservices:\n a:\n  run: a\n  env: {" + numbered("A%d: \"${services.b.url}\", ", 20_000) + "}")
		}, "unknown service"},
		"services": {func() (*Fleet, error) {
			return text("fleet: f\nservices: {" + numbered("s%d: {run: a}, ", MaxServices+1) + "}")
		}, "more than 1000 services"},
		"owners": {func() (*Fleet, error) { return text("fleet: f\nowners: {" + numbered("o%d: {}, ", MaxOwners+1) + "}") }, "more than 1000 owners"},
		"environment names": {func() (*Fleet, error) {
			return text("fleet: f\nenvironments: {" + numbered("e%d: {}, ", MaxEnvironments+1) + "}")
		}, "more than 100 environments"},
		"subscriptions": {func() (*Fleet, error) {
			return text("fleet: f\nservices: {a: {run: a, on: {" + numbered("x%d: POST /, ", MaxWires+1) + "}}}")
		}, "more than 1000 subscriptions"},
		"environments": {func() (*Fleet, error) {
			return text("fleet: f\nservices: {" + numbered("s%d: {run: a, bad: 1}, ", MaxServices) + "}\nenvironments: {" + numbered("e%d: {env: {A: b}}, ", MaxEnvironments) + "}")
		}, "unknown key"},
		"depth": {func() (*Fleet, error) { return deep("{fleet: f, include: %d.yaml}") }, "includes are nested more than 16 deep"},
		"width": {func() (*Fleet, error) {
			return load("0.yaml", Options{}, func(path string) ([]byte, error) {
				if path != "0.yaml" {
					return []byte("{}"), nil
				}
				list := ""
				for i := range 200 {
					list += fmt.Sprintf("%d.yaml, ", i+1)
				}
				return []byte("{fleet: f, include: [" + list + "]}"), nil
			})
		}, "more than 100 files"},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			_, err := test.load()
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("it took %v", took)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%.300v, want %s", err, test.want)
			}
			checkErrors(t, err)
		})
	}
}

// numbered repeats a format with the numbers from 0 on.
func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// text loads a fleet from text.
func text(s string) (*Fleet, error) {
	return load("muster.yaml", Options{}, func(string) ([]byte, error) { return []byte(s), nil })
}

func TestOverrides(t *testing.T) {
	const file = "{fleet: f, services: {a: {run: ./a}}, edge: {port: 1}}"
	for _, test := range []struct {
		env           []string
		edge, control int
	}{
		{nil, 1, DefaultControlPort},
		{[]string{"MUSTER_EDGE_PORT=0", "MUSTER_CONTROL_PORT=65535"}, 0, 65535},
		{[]string{"MUSTER_EDGE_PORT=", "MUSTER_CONTROL_PORT=9"}, 1, 9},
	} {
		f := fleetOf(t, file, Options{Env: variables(test.env...)})
		if f.Edge.Port != test.edge || f.Control.Port != test.control {
			t.Errorf("%v: edge %d, control %d", test.env, f.Edge.Port, f.Control.Port)
		}
	}
	if f := fleetOf(t, file, Options{}); f.Edge.Port != 1 {
		t.Error("without variables the file holds")
	}
	f := fleetOf(t, file, Options{Env: variables("MUSTER_BROKER_PORT=7", "MUSTER_BROKER_HTTP_PORT=8")})
	if f.Broker != (Broker{Port: 7, HTTP: 8}) || f.Events() {
		t.Errorf("the broker is %+v, events %v: a variable chooses a port, it needs no broker", f.Broker, f.Events())
	}
}

func TestEvents(t *testing.T) {
	for text, want := range map[string]bool{
		"{fleet: f, services: {a: {run: ./a}}}":                                                   false,
		"{fleet: f, services: {a: {run: ./a}}, bus: 'nats://h:4222', publishes: x.y}":             false,
		"{fleet: f, services: {a: {run: ./a}}, broker: {}}":                                       true,
		"{fleet: f, services: {a: {run: ./a}}, environments: {development: {broker: {port: 1}}}}": true,
		"{fleet: f, services: {a: {run: ./a}}, environments: {p: {broker: {port: 1}}}}":           false,
		"{fleet: f, services: {a: {run: ./a, publishes: x.y}}}":                                   true,
		"{fleet: f, services: {a: {run: ./a, on: {x.y: POST /events}}}, publishes: x.y}":          true,
	} {
		if got := fleetOf(t, text, Options{}).Events(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestRouteMatch(t *testing.T) {
	for _, test := range []struct {
		route      Route
		host, path string
		want       bool
	}{
		{Route{Path: "/"}, "any", "/", true},
		{Route{Path: "/"}, "any", "/a/b", true},
		{Route{Path: "/"}, "any", "", false},
		{Route{Path: "/v1"}, "", "/v1", true},
		{Route{Path: "/v1"}, "", "/v1/", true},
		{Route{Path: "/v1"}, "", "/v1/x", true},
		{Route{Path: "/v1"}, "", "/v10", false},
		{Route{Path: "/v1"}, "", "/v", false},
		{Route{Path: "/a.B/"}, "", "/a.B/Get", true},
		{Route{Path: "/a.B/"}, "", "/a.Bc/Get", false},
		{Route{Host: "h.x", Path: "/"}, "h.x", "/", true},
		{Route{Host: "h.x", Path: "/"}, "g.x", "/", false},
		{Route{Host: "*.h.x", Path: "/"}, "a.h.x", "/", true},
		{Route{Host: "*.h.x", Path: "/"}, "a.b.h.x", "/", true},
		{Route{Host: "*.h.x", Path: "/"}, "h.x", "/", false},
		{Route{Host: "*.h.x", Path: "/"}, ".h.x", "/", false},
		{Route{Host: "*.h.x", Path: "/"}, "ah.x", "/", false},
	} {
		if got := test.route.Match(test.host, test.path); got != test.want {
			t.Errorf("%s, host %q, path %q: %v", test.route, test.host, test.path, got)
		}
	}
}
