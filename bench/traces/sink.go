package traces

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/musterdev/muster/bench/host"
)

// sink is a `muster dashboard` that runs until stop.
type sink struct {
	cmd     *exec.Cmd
	dir     string // of what it keeps
	url     string
	stopped bool
}

func startSink(ctx context.Context, binary, dir string) (*sink, error) {
	s := &sink{dir: dir, cmd: exec.CommandContext(ctx, binary, "dashboard", "--port", "0", "--otlp-grpc", "0", "--otlp-http", "0", "--dir", dir)}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay, s.cmd.Stderr = 20*time.Second, os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_, url, found := strings.Cut(line, "http://")
	if err != nil || !found {
		return nil, errors.Join(fmt.Errorf("the dashboard printed %q and no address", line), err, s.stop())
	}
	s.url = "http://" + strings.TrimRight(url, "/\n")
	return s, nil
}

func (s *sink) stop() error {
	if s.stopped {
		return nil
	}
	s.stopped = true
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	return s.cmd.Wait()
}

// cpu is what the process and all below it have used so far.
func (s *sink) cpu() time.Duration { return host.ServerCPU(s.cmd.Process.Pid)() }

// memory returns the resident memory now and at its highest, in MB (proc_pid_status(5)).
func (s *sink) memory() (now, highest float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 3 && words[0] == "VmRSS:":
			now, err = strconv.ParseFloat(words[1], 64)
		case len(words) == 3 && words[0] == "VmHWM:":
			highest, err = strconv.ParseFloat(words[1], 64)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return now * 1024 / 1e6, highest * 1024 / 1e6, nil
}

// send sends all requests by so many connections. One that is asked to come again does so.
func (s *sink) send(ctx context.Context, c *corpus, connections int) (again int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var next, retried atomic.Int64
	var sending sync.WaitGroup
	for range connections {
		sending.Go(func() {
			var buf []byte
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(c.bodies) {
					return
				}
				var err error
				if buf, err = c.read(i, buf); err == nil {
					err = s.post(ctx, client, buf, &retried)
				}
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	sending.Wait()
	return retried.Load(), context.Cause(ctx)
}

func (s *sink) post(ctx context.Context, client *http.Client, body []byte, retried *atomic.Int64) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/traces", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-protobuf")
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(res.Body)
		_ = res.Body.Close() // all of it was read
		switch {
		case err != nil:
			return err
		case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusServiceUnavailable:
			retried.Add(1)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		case res.StatusCode != http.StatusOK:
			return fmt.Errorf("POST /v1/traces: %s: %.200s", res.Status, answer)
		default:
			return nil
		}
	}
}

// stored returns how many spans it says it has stored.
func (s *sink) stored(ctx context.Context) (int64, error) {
	var health struct {
		Signals map[string]struct {
			Stored int64 `json:"stored"`
		} `json:"signals"`
	}
	text, err := s.get(ctx, "/v1/telemetry/health")
	if err == nil {
		err = json.Unmarshal(text, &health)
	}
	return health.Signals["spans"].Stored, err
}

// get returns what it answers to a question.
func (s *sink) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", path, res.Status, text)
	}
	return text, err
}

// settle waits until nothing has changed on the disk for longer than a service may be idle
// before its last spans are written to a block. It returns the bytes of the blocks, and
// those of the log, whose last file stays until there is another.
func (s *sink) settle(ctx context.Context) (blocks, log int64, err error) {
	const still = 70 * time.Second
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	traces, since := filepath.Join(s.dir, "telemetry", "traces"), time.Now()
	for {
		nowBlocks, errBlocks := bytesBelow(filepath.Join(traces, "blocks"))
		nowLog, errLog := bytesBelow(filepath.Join(traces, "wal"))
		if err := errors.Join(errBlocks, errLog); err != nil {
			return 0, 0, err
		}
		if nowBlocks != blocks || nowLog != log {
			blocks, log, since = nowBlocks, nowLog, time.Now()
		}
		if time.Since(since) > still {
			return blocks, log, nil
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return 0, 0, fmt.Errorf("the store did not come to rest with %d bytes in blocks and %d in its log: %w", blocks, log, ctx.Err())
		}
	}
}

// bytesBelow sums the sizes of a folder's files. One that goes meanwhile counts nothing.
func bytesBelow(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return ignoreGone(err)
		}
		info, err := e.Info()
		if err == nil {
			sum += info.Size()
		}
		return ignoreGone(err)
	})
	return sum, err
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
