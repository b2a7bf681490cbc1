// Package gateways measures what a request costs at the edge, beside HAProxy, nginx, a
// proxy of fasthttp and net/http's own: one proxy at a time on one processor, the load and
// the upstream on another, rounds interleaved. The configurations are in the folder conf.
package gateways

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed conf
var conf embed.FS

// The processors; the machine has at least these two.
const (
	proxyCore = "0"
	loadCore  = "1"
)

// world is what all runs share: a folder, keys, the upstream.
type world struct {
	Dir      string
	Upstream int    // its port
	binary   string // of the edge
	reverse  string // net/http's proxy
	fasthttp string
	tokens   []string
	bad      map[string]string // tokens that must not get in, by what is wrong with them
	upstream *process
	missing  []string // why what was not measured was not
}

// sizes are the upstream's files, by name.
func sizes() map[string]int { return map[string]int{"1k": 1 << 10, "16k": 16 << 10, "1m": 1 << 20} }

// open makes a world. close ends it, also after an error.
func (w *world) open(ctx context.Context) error {
	if runtime.NumCPU() < 2 {
		return errors.New("one processor for the proxy and one for the load are needed; this machine has one")
	}
	for _, program := range []string{"wrk", "taskset", "haproxy", "nginx"} {
		if _, err := find(program); err != nil {
			return err
		}
	}
	var err error
	if w.Dir, err = os.MkdirTemp("", "muster-gateways-"); err != nil {
		return err
	}
	if err := w.fill(); err != nil {
		return err
	}
	if err := w.credentials(); err != nil {
		return err
	}
	if w.reverse, err = w.build(ctx, ".", "./bench/gateways/reverse", ""); err != nil {
		return err
	}
	if w.fasthttp, err = w.build(ctx, "bench/peers/fasthttp", ".", "GOWORK=off"); err != nil {
		w.missing = append(w.missing, "fasthttp was not measured: "+err.Error())
	}
	if w.Upstream, err = freePort(ctx); err != nil {
		return err
	}
	file, err := w.write("upstream.conf", "upstream.conf", w)
	if err != nil {
		return err
	}
	if w.upstream, err = start(ctx, loadCore, w.Dir, "upstream", "nginx", "-c", file, "-p", w.Dir); err != nil {
		return err
	}
	_, err = w.upstream.answers(ctx, fmt.Sprintf("http://127.0.0.1:%d/1k", w.Upstream))
	return err
}

func (w *world) close() error {
	var err error
	if w.upstream != nil {
		err = w.upstream.stop()
	}
	return errors.Join(err, os.RemoveAll(w.Dir))
}

// fill makes the upstream's files.
func (w *world) fill() error {
	files := filepath.Join(w.Dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(w.Dir, 0o755); err != nil { // nginx's worker is somebody else
		return err
	}
	for name, size := range sizes() {
		if err := os.WriteFile(filepath.Join(files, name), content(size), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// content is a file of some bytes that are not all the same.
func content(size int) []byte {
	line := []byte("Muster brings a team's services together and tells whether they are good enough.\n")
	return bytes.Repeat(line, size/len(line)+1)[:size]
}

func (w *world) build(ctx context.Context, folder, pkg, env string) (string, error) {
	file := filepath.Join(w.Dir, filepath.Base(filepath.Join(folder, pkg))+".bin")
	cmd := exec.CommandContext(ctx, "go", "build", "-C", folder, "-o", file, pkg)
	cmd.Env = append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return "", fmt.Errorf("it does not build here: %w: %s", err, lines[len(lines)-1])
	}
	return file, nil
}

// write makes a configuration of conf for one process, and returns its file.
func (w *world) write(from, to string, with any) (string, error) {
	t, err := template.ParseFS(conf, "conf/"+from)
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, with); err != nil {
		return "", err
	}
	file := filepath.Join(w.Dir, to)
	return file, os.WriteFile(file, text.Bytes(), 0o644)
}

// find looks for a program where a plain user does not look, too.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	path := filepath.Join("/usr/sbin", program)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not installed: run scripts/install-test-deps.sh", program)
	}
	return path, nil
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	addr, _ := l.Addr().(*net.TCPAddr) // it is one
	return addr.Port, l.Close()
}

// process runs on one processor until stop.
type process struct {
	cmd   *exec.Cmd
	name  string
	began time.Time
	out   *os.File
	ended chan error
}

// start runs a program on one processor; what it says goes into a file of the folder.
func start(ctx context.Context, core, dir, name, program string, args ...string) (*process, error) {
	path, err := find(program)
	if err != nil {
		return nil, err
	}
	p := &process{name: name, ended: make(chan error, 1)}
	if p.out, err = os.Create(filepath.Join(dir, name+".out")); err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, "taskset", append([]string{"-c", core, path}, args...)...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 10 * time.Second
	p.cmd.Dir, p.cmd.Env = dir, append(os.Environ(), "GOMAXPROCS=1", "OTEL_SDK_DISABLED=true")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, p.out.Close())
	}
	go func() { p.ended <- p.cmd.Wait() }()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends it. What it says of that is no matter.
func (p *process) stop() error {
	stopped := p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended: //nolint:errcheck // it was told to end
	case <-time.After(15 * time.Second):
		stopped = p.cmd.Process.Kill()
		<-p.ended //nolint:errcheck // as above
	}
	if errors.Is(stopped, os.ErrProcessDone) {
		stopped = nil
	}
	return errors.Join(stopped, p.out.Close())
}

// said is the end of what it printed.
func (p *process) said() string {
	text, err := os.ReadFile(p.out.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}
