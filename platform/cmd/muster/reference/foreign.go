package reference

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/shop/notify"
)

// foreign writes the program of the shop's service that is not inside this binary, or
// leaves the service out where it cannot run, and says so.
func (o *Options) foreign(f *fleet.Fleet) error {
	why := "it cannot be part of one process"
	if !o.inProcess {
		why = missingNode()
	}
	if why == "" {
		program := filepath.Join(o.Dir, "notify", "server.js") // as muster.yaml has it
		if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
			return fmt.Errorf("make the folder of notify: %w", err)
		}
		if err := os.WriteFile(program, notify.Program, 0o644); err != nil {
			return fmt.Errorf("write the program of notify: %w", err)
		}
		return nil
	}
	f.Services = slices.DeleteFunc(f.Services, func(s fleet.Service) bool {
		if inside(s.Name) {
			return false
		}
		_, _ = fmt.Fprintf(o.Out, "%s: left out, %s\n", s.Name, why)
		return true
	})
	return nil
}

// leastNode is the oldest Node that notify runs on.
const leastNode = 18

// missingNode says why no program for Node can run here; "" when one can.
func missingNode() string {
	out, err := exec.Command("node", "--version").Output() // v20.1.0
	if errors.Is(err, exec.ErrNotFound) {
		return "node was not found"
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(string(out), "v"), ".")
	if n, _ := strconv.Atoi(major); n < leastNode {
		return fmt.Sprintf("node %d or newer was not found", leastNode)
	}
	return ""
}
