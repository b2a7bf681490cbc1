package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway"
)

// configOf is the variable by which the test's program is an edge.
const configOf = "EDGE_TEST_CONFIG"

func TestMain(m *testing.M) {
	path := os.Getenv(configOf)
	if path == "" {
		os.Exit(m.Run())
	}
	if err := beEdge(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beEdge says where it listens and runs until its input ends.
func beEdge(path string) error {
	c, err := gateway.ReadConfig(path)
	if err != nil {
		return err
	}
	if c.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	if c.TLSListener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	c.EndWithin = time.Second
	c.Ready = func(net.Addr) { fmt.Println(c.Listener.Addr(), c.TLSListener.Addr()) }
	ctx, end := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		end()
	}()
	return gateway.Run(ctx, c)
}

// process is an edge alone in one.
type process struct {
	*front

	pid int
}

// start runs an edge until the test's end, in a process of its own.
func start(t *testing.T, instances map[string][]string, document object) *process {
	t.Helper()
	c, trusted := furnish(t, document)
	c.Instances = instances
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(c.Admin), "edge.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), configOf+"="+path)
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the edge ended: %v\n%s", err, said.Bytes())
		}
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	plain, encrypted, ok := strings.Cut(strings.TrimSpace(line), " ")
	if !ok {
		t.Fatalf("the edge does not say where it listens: %q", line)
	}
	return &process{newFront(plain, encrypted, c, trusted), cmd.Process.Pid}
}

// memory returns how much of it is in memory, in bytes: RSS, see proc_pid_statm(5).
func (p *process) memory(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		t.Fatalf("statm says %q", text)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
