package main

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

// demo is a `muster demo` that runs until stop.
type demo struct {
	cmd     *exec.Cmd
	began   time.Time
	lines   chan string
	stopped bool
}

func startDemo(ctx context.Context, binary string, args ...string) (*demo, error) {
	return startDemoIn(ctx, "", nil, binary, args...)
}

// startDemoIn starts a demo in a folder, "" for this one, with variables beside this process's.
func startDemoIn(ctx context.Context, dir string, env []string, binary string, args ...string) (*demo, error) {
	d := &demo{cmd: exec.CommandContext(ctx, binary, append([]string{"demo"}, args...)...), lines: make(chan string, 256)}
	d.cmd.Dir, d.cmd.Env = dir, append(os.Environ(), env...)
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.WaitDelay = 20 * time.Second
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.cmd.Stderr = os.Stderr
	d.began = time.Now()
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

// waitLine waits for a line that holds text and returns when it came.
func (d *demo) waitLine(ctx context.Context, text string) (time.Duration, error) {
	for {
		select {
		case line, ok := <-d.lines:
			if !ok {
				return 0, fmt.Errorf("the demo ended before it printed %q", text)
			}
			if strings.Contains(line, text) {
				return time.Since(d.began), nil
			}
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// waitPage asks for url until it answers 200 and returns when it did.
func (d *demo) waitPage(ctx context.Context, url string) (time.Duration, error) {
	for {
		if answers(ctx, url) {
			return time.Since(d.began), nil
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

func (d *demo) stop() error {
	if d.stopped {
		return nil
	}
	d.stopped = true
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	for range d.lines {
	}
	return d.cmd.Wait()
}

// process is what /proc says of one process.
type process struct {
	pid, parent int
	args        string
	cpu         time.Duration
	pss         int64 // bytes
}

// tree returns a process and all below it.
func tree(root int) ([]process, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	children := map[int][]process{}
	var all []process
	for _, dir := range dirs {
		p, err := readProcess(dir)
		if err != nil {
			continue // it has ended since
		}
		children[p.parent] = append(children[p.parent], p)
		if p.pid == root {
			all = append(all, p)
		}
	}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i].pid]...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no process %d", root)
	}
	return all, nil
}

// clockTick is USER_HZ, 100 on every Linux architecture Go runs on.
const clockTick = 10 * time.Millisecond

func readProcess(dir string) (process, error) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return process{}, err
	}
	// proc(5): the name in parentheses may hold anything, so count from its end
	after := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	p := process{pid: number(filepath.Base(dir)), parent: number(after[1])}
	p.cpu = time.Duration(number(after[11])+number(after[12])) * clockTick
	args, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return p, err
	}
	p.args = strings.ReplaceAll(string(args), "\x00", " ")
	rollup, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return p, err
	}
	for line := range strings.Lines(string(rollup)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			p.pss = int64(number(strings.Fields(rest)[0])) * 1024
		}
	}
	return p, nil
}
