// Package build makes the program of a service before it runs, and finds the
// files it is made from. `go run X` is built and then executed: nobody then stands
// between the supervisor and the program.
package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/process"
)

// stopWithin is how long a builder has to end when nobody wants its result.
const stopWithin = 2 * time.Second

// maxOutput bounds what is kept of a builder's output, in bytes.
const maxOutput = 256 << 10

// Starter starts processes; *process.Starter is one.
type Starter interface {
	Start(process.Spec) (*process.Process, error)
}

// Builder builds services. It is safe for concurrent use; building one service
// twice at the same time is not.
type Builder struct {
	Starter Starter
	Dir     string   // gets the programs, <service>-<digest>
	Env     []string // the builders' environment
}

// Error says that a service could not be built. Its Error is one line.
type Error struct {
	Service string
	Command []string
	What    string // completes the sentence: "exited with code 1"
	Output  string // what the builder printed
}

// Error says in one line what failed.
func (e *Error) Error() string {
	return fmt.Sprintf("service %q cannot be built: %s %s", e.Service, strings.Join(e.Command, " "), e.What)
}

// Details returns the lines that the builder printed.
func (e *Error) Details() []string {
	return strings.Split(strings.TrimRight(e.Output, "\r\n"), "\n")
}

// Build builds a service, if there is anything to build, and returns the program,
// or "" for a service whose command names its program itself. The same program is
// always at the same path, a different one at another, so that instances of both
// can live side by side. The error is an *Error when the builder failed.
func (b *Builder) Build(ctx context.Context, s fleet.Service) (program string, err error) {
	if len(s.Build) > 0 {
		if err := b.run(ctx, s, s.Build, b.Env, io.Discard); err != nil {
			return "", err
		}
	}
	if s.GoPackage == "" {
		return "", nil
	}
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return "", fmt.Errorf("make the folder for programs: %w", err)
	}
	fresh := filepath.Join(b.Dir, s.Name+".new"+suffix())
	command := append(append([]string{"go", "build"}, s.GoFlags...), "-o", fresh, s.GoPackage)
	if err := b.run(ctx, s, command, b.Env, io.Discard); err != nil {
		return "", err
	}
	digest, err := digestOf(fresh)
	if err != nil {
		return "", fmt.Errorf("read the program of service %q: %w", s.Name, err)
	}
	program = filepath.Join(b.Dir, s.Name+"-"+digest+suffix())
	if _, err := os.Stat(program); err == nil {
		return program, os.Remove(fresh)
	}
	return program, os.Rename(fresh, program)
}

// Prune removes the programs of a service but those in use.
func (b *Builder) Prune(service string, used ...string) {
	programs, _ := filepath.Glob(filepath.Join(b.Dir, service+"-"+strings.Repeat("?", digestSize)+suffix())) // fails on a bad pattern only
	for _, program := range programs {
		keep := false
		for _, u := range used {
			keep = keep || u == program
		}
		if !keep {
			_ = os.Remove(program) // still running on Windows: the next time
		}
	}
}

func suffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// digestSize is how many characters of a digest tell programs of a service apart.
const digestSize = 12

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil))[:digestSize], nil
}

// run runs one builder in the service's folder. Its output goes into the error,
// and to out as well.
func (b *Builder) run(ctx context.Context, s fleet.Service, command, env []string, out io.Writer) error {
	var said bounded
	failed := func(what string) *Error {
		return &Error{Service: s.Name, Command: command, What: what, Output: said.String()}
	}
	p, err := b.Starter.Start(process.Spec{Argv: command, Dir: s.Dir, Env: env, Output: io.MultiWriter(&said, out)})
	if err != nil {
		return failed(err.Error())
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Stop(stopWithin)
		return errors.Join(failed("was interrupted"), context.Cause(ctx))
	}
	if exit := p.Exit(); !exit.Clean() {
		return failed(exit.String())
	}
	return nil
}

// bounded keeps the first maxOutput bytes of what is written to it.
type bounded struct{ bytes.Buffer }

func (w *bounded) Write(p []byte) (int, error) {
	_, _ = w.Buffer.Write(p[:min(len(p), max(0, maxOutput-w.Len()))])
	return len(p), nil
}
