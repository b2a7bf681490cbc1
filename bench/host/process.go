package host

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Demo is a `muster demo` that runs until Stop.
type Demo struct {
	cmd     *exec.Cmd
	Began   time.Time
	lines   chan string
	stopped bool
}

// StartDemo starts one in this folder.
func StartDemo(ctx context.Context, binary string, args ...string) (*Demo, error) {
	return StartDemoIn(ctx, "", nil, binary, args...)
}

// StartDemoIn starts a demo in a folder, "" for this one, with variables beside this process's.
func StartDemoIn(ctx context.Context, dir string, env []string, binary string, args ...string) (*Demo, error) {
	d := &Demo{cmd: exec.CommandContext(ctx, binary, append([]string{"demo"}, args...)...), lines: make(chan string, 256)}
	d.cmd.Dir, d.cmd.Env = dir, append(os.Environ(), env...)
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.WaitDelay = 20 * time.Second
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.cmd.Stderr = os.Stderr
	d.Began = time.Now()
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(d.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			d.lines <- s.Text()
		}
	}()
	return d, nil
}

// WaitLine waits for a line that holds text and returns when it came.
func (d *Demo) WaitLine(ctx context.Context, text string) (time.Duration, error) {
	for {
		select {
		case line, ok := <-d.lines:
			if !ok {
				return 0, fmt.Errorf("the demo ended before it printed %q", text)
			}
			if strings.Contains(line, text) {
				return time.Since(d.Began), nil
			}
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// WaitPage asks for url until it answers 200 and returns when it did.
func (d *Demo) WaitPage(ctx context.Context, url string) (time.Duration, error) {
	for {
		if answers(ctx, url) {
			return time.Since(d.Began), nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return 0, fmt.Errorf("%s never answered 200: %w", url, ctx.Err())
		}
	}
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

// PID is the process that all others of the demo are below.
func (d *Demo) PID() int { return d.cmd.Process.Pid }

// Stop ends it. Again does nothing.
func (d *Demo) Stop() error {
	if d.stopped {
		return nil
	}
	d.stopped = true
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	for range d.lines {
	}
	return d.cmd.Wait()
}

// Process is what /proc says of one process.
type Process struct {
	PID, Parent int
	Args        string
	CPU         time.Duration // user and system
	User        time.Duration // of that
	PSS         int64         // bytes
}

// Tree returns a process and all below it.
func Tree(root int) ([]Process, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	children := map[int][]Process{}
	var all []Process
	for _, dir := range dirs {
		p, err := readProcess(dir)
		if err != nil {
			continue // it has ended since
		}
		children[p.Parent] = append(children[p.Parent], p)
		if p.PID == root {
			all = append(all, p)
		}
	}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i].PID]...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no process %d", root)
	}
	return all, nil
}

// clockTick is USER_HZ, 100 on every Linux architecture Go runs on.
const clockTick = 10 * time.Millisecond

func readProcess(dir string) (Process, error) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Process{}, err
	}
	// proc(5): the name in parentheses may hold anything, so count from its end
	after := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	p := Process{PID: number(filepath.Base(dir)), Parent: number(after[1])}
	p.User = time.Duration(number(after[11])) * clockTick
	p.CPU = p.User + time.Duration(number(after[12]))*clockTick
	args, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return p, err
	}
	p.Args = strings.ReplaceAll(string(args), "\x00", " ")
	rollup, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return p, err
	}
	for line := range strings.Lines(string(rollup)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			p.PSS = int64(number(strings.Fields(rest)[0])) * 1024
		}
	}
	return p, nil
}

// ServerCPU returns what tells how much CPU a process and all below it have used so far.
func ServerCPU(pid int) func() time.Duration {
	return func() time.Duration {
		processes, err := Tree(pid)
		if err != nil {
			return 0
		}
		var sum time.Duration
		for _, p := range processes {
			sum += p.CPU
		}
		return sum
	}
}
