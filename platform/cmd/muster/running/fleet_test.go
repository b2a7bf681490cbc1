//go:build linux

package running

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/ctl"
)

// A supervisor that is stopped accepts connections and never answers.
func TestStoppedSupervisor(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, supervise.Folder), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", ctl.Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, err = answered(t.Context(), Fleet{Dir: dir}, 50*time.Millisecond, (*ctl.Client).Status)
	if err == nil || !strings.Contains(err.Error(), "has not answered for 50ms: continue it") {
		t.Errorf("err = %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err = answered(ended, Fleet{Dir: dir}, time.Minute, (*ctl.Client).Status); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: err = %v", err)
	}
}
