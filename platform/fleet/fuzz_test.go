package fleet

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// FuzzLoad feeds one file to the loader, which includes itself under another
// name: no panic, errors as checkErrors wants them, fleets as checkFleet does.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.txtar", "testdata/errors/*.txtar"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			c := readCase(f, path)
			for _, name := range c.names {
				if name != "want" {
					f.Add([]byte(c.files[name]), c.options["environment"])
				}
			}
		}
	}
	f.Add([]byte("a: &a [*a]"), "")
	f.Add([]byte("{<<: {<<: {a: b}}, a: &x c, d: *x}"), "x")
	if data, err := os.ReadFile("schema.json"); err == nil {
		f.Add(data, "") // JSON is YAML
	}
	f.Fuzz(func(t *testing.T, data []byte, environment string) {
		if len(data) > 1<<16 {
			return
		}
		read := func(path string) ([]byte, error) {
			switch filepath.Base(path) {
			case "muster.yaml", "other.yaml":
				return data, nil
			}
			return nil, fs.ErrNotExist
		}
		opts := Options{Environment: environment, Env: variables("HOME=/home/me", "MUSTER_EDGE_PORT=0")}
		fleet, err := load("muster.yaml", opts, read)
		again, errAgain := load("muster.yaml", opts, read)
		if err != nil {
			if errAgain == nil || err.Error() != errAgain.Error() {
				t.Fatalf("not the same twice:\n%v\n%v", err, errAgain)
			}
			checkErrors(t, err)
			return
		}
		if !Diff(fleet, again).Empty() || !reflect.DeepEqual(fleet.Routes(), again.Routes()) {
			t.Error("not the same twice")
		}
		checkFleet(t, fleet)
	})
}
