//go:build unix

package forward_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/otlp/forward"
)

// What cannot be read for a while, as when too many files are open, is not given up.
func TestWhatCannotBeReadWaits(t *testing.T) {
	b, dir := newBackend(t), t.TempDir()
	f := open(t, forward.Config{Endpoint: b.URL + "/in", Dir: dir})
	f.Push(otlp.Traces, request("1"))
	files, err := filepath.Glob(filepath.Join(dir, "traces", "*.otlp"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(files[0], files[0]+".away")
	if err := os.Symlink(dir, files[0]); err != nil { // a folder can be opened and not be read
		t.Fatal(err)
	}
	running(t, f)
	until(t, "it fails", func() bool { return f.Health().Error != "" })
	if h := f.Health(); h.Dropped["spans"] != 0 || h.Waiting == 0 {
		t.Errorf("%+v", h)
	}
	move(files[0]+".away", files[0])
	until(t, "it is sent", func() bool { return f.Health().Sent["spans"] == 1 })
}
