package sagas

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Means are how peers are measured.
type Means struct {
	Server func() time.Duration               // CPU of the database server so far
	Used   func(pid int) func() time.Duration // CPU of a process and all below it so far
	Length time.Duration                      // of a load
	Load   func(ctx context.Context, workers int, do Work) (rate, micros float64, err error)
}

// Peers starts what sagas are measured beside, on the same server, each in a database of its own. What
// does not build or does not start is said in the second result, and not measured.
func Peers(ctx context.Context, url func(database string) string, m Means) (list []Peer, missing []string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "muster-peers-")
	if err != nil {
		return nil, nil, nil, err
	}
	var stops []func()
	stop = func() {
		for _, stop := range stops {
			stop()
		}
		_ = os.RemoveAll(dir) // a temporary folder
	}
	for _, name := range []string{"DTM", "DBOS", "River"} {
		add := func() (Peer, func(), error) { return startDTM(ctx, dir, url("dtm"), m) }
		if name != "DTM" {
			add = func() (Peer, func(), error) {
				return startPeer(ctx, name, dir, url(strings.ToLower(name)), m)
			}
		}
		p, end, err := add()
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s was not measured: %s.", name, err))
			continue
		}
		list, stops = append(list, p), append(stops, end)
	}
	return list, missing, stop, nil
}

// built makes a program of bench/peers, and returns its file.
func built(ctx context.Context, dir, folder, program string) (string, error) {
	file := filepath.Join(dir, filepath.Base(program))
	cmd := exec.CommandContext(ctx, "go", "build", "-C", folder, "-o", file, program)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return "", fmt.Errorf("it does not build here: %w: %s", err, lines[len(lines)-1])
	}
	return file, nil
}

// peer is a program of bench/peers that runs.
type peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// startPeer builds and starts one of bench/peers. Its CPU is that of the program and of the database server.
func startPeer(ctx context.Context, name, dir, url string, means Means) (Peer, func(), error) {
	file, err := built(ctx, dir, "bench/peers", "./"+strings.ToLower(name))
	if err != nil {
		return Peer{}, nil, err
	}
	p := &peer{cmd: exec.CommandContext(ctx, file, url, fmt.Sprint(callers))}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return Peer{}, nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return Peer{}, nil, err
	}
	p.out = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		return Peer{}, nil, err
	}
	stop := func() {
		_ = p.in.Close()
		_ = p.cmd.Wait() // it has said what there was to say
	}
	if !p.out.Scan() || p.out.Text() != "ready" {
		stop()
		return Peer{}, nil, errors.New("it ended before it was ready")
	}
	return Peer{Name: name, Load: func(context.Context) (rate, micros float64, err error) {
		before := means.Server()
		var r struct {
			Done int           `json:"done"`
			Took time.Duration `json:"took"`
			CPU  time.Duration `json:"cpu"`
		}
		if _, err := fmt.Fprintln(p.in, means.Length); err != nil {
			return 0, 0, err
		}
		if !p.out.Scan() {
			return 0, 0, fmt.Errorf("%s ended: %w", name, errors.Join(p.out.Err(), io.ErrUnexpectedEOF))
		}
		if err := json.Unmarshal(p.out.Bytes(), &r); err != nil {
			return 0, 0, err
		}
		return float64(r.Done) / r.Took.Seconds(), microsOf(r.CPU+means.Server()-before, r.Done), nil
	}}, stop, nil
}

// startDTM builds and starts DTM's server. Its CPU is that of the server alone.
func startDTM(ctx context.Context, dir, url string, means Means) (Peer, func(), error) {
	const folder, program = "bench/peers/dtm", "github.com/dtm-labs/dtm"
	file, err := built(ctx, dir, folder, program)
	if err != nil {
		return Peer{}, nil, err
	}
	d, env, err := NewDTM(ctx, url, folder, program)
	if err != nil {
		return Peer{}, nil, err
	}
	cmd := exec.CommandContext(ctx, file)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return Peer{}, nil, err
	}
	stop := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		d.Stop()
	}
	if err := d.Ready(ctx); err != nil {
		stop()
		return Peer{}, nil, err
	}
	used := means.Used(cmd.Process.Pid)
	return Peer{Name: "DTM", Calls: true, Load: func(ctx context.Context) (rate, micros float64, err error) {
		before := used()
		var done atomic.Int64
		rate, _, err = means.Load(ctx, callers, func(ctx context.Context, worker, i int) (int, error) {
			n, err := d.One(ctx, worker, i)
			done.Add(int64(n))
			return n, err
		})
		return rate, microsOf(used()-before, int(done.Load())), err
	}}, stop, nil
}

// microsOf is the CPU of one unit of work, in microseconds.
func microsOf(cpu time.Duration, done int) float64 {
	return float64(cpu.Microseconds()) / float64(max(1, done))
}
