package ports

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// listen holds a free port until the test ends.
func listen(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// listenApart holds a port until the test ends where no program gets one that asks for any, nor
// from a pool, so that its neighbours are nobody's.
func listenApart(t *testing.T) int {
	t.Helper()
	for port := 12_001; port < 20_000; port += 10 {
		if l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			t.Cleanup(func() { _ = l.Close() })
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func TestPoolStaysInItsRangeAndRepeatsNothing(t *testing.T) {
	p, seen := NewPool(), map[int]bool{}
	for range 200 {
		port, err := p.Take()
		if err != nil {
			t.Fatal(err)
		}
		if port < 20000 || port > 31999 || seen[port] {
			t.Fatalf("port %d, given before: %v", port, seen[port])
		}
		seen[port] = true
	}
}

func TestPoolSkipsWhatIsTakenAndRestsWhatWasFreed(t *testing.T) {
	now := time.Now()
	taken := listenApart(t)
	p := NewPool()
	p.low, p.high, p.now = taken-1, taken+1, func() time.Time { return now }
	got := map[int]bool{}
	for {
		port, err := p.Take()
		if errors.Is(err, ErrExhausted) {
			break
		}
		got[port] = true
	}
	if len(got) == 0 || got[taken] {
		t.Fatalf("got %v, where %d is taken", got, taken)
	}
	var one int
	for one = range got {
		break
	}
	p.Free(one, taken)
	if port, err := p.Take(); err == nil {
		t.Errorf("%d was given out again at once", port)
	}
	now = now.Add(rest)
	if port, err := p.Take(); err != nil || port != one {
		t.Errorf("after its rest: %d, %v; want %d", port, err, one)
	}
}

func TestCheck(t *testing.T) {
	port := listen(t)
	err := Check(Fixed{Port: port, Who: "edge", Setting: "--port or MUSTER_EDGE_PORT"})
	if _, ok := errors.AsType[*TakenError](err); !ok {
		t.Fatalf("err = %v", err)
	}
	for _, want := range []string{fmt.Sprintf("port %d for edge is taken", port), "end that program, or choose another port with --port or MUSTER_EDGE_PORT"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Error("more than one line")
	}
	if want := fmt.Sprintf("(pid %d) listens there", os.Getpid()); runtime.GOOS == "linux" && !strings.Contains(err.Error(), want) {
		t.Errorf("%q lacks %q", err, want)
	}
	free := listenAndClose(t)
	if err := Check(Fixed{Port: free, Who: "edge"}); err != nil {
		t.Errorf("a free port: %v", err)
	}
	for _, bad := range []int{0, -1, 65536} {
		if err := Check(Fixed{Port: bad, Who: "edge", Setting: "--port"}); err == nil || !strings.Contains(err.Error(), "is no port") {
			t.Errorf("port %d: %v", bad, err)
		}
	}
}

func listenAndClose(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func TestListener(t *testing.T) {
	const line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 27213 1 0000000000000000 100 0 0 10 0"
	if port, inode, ok := listener(line); !ok || port != 8080 || inode != "27213" {
		t.Errorf("listener = %d, %s, %v", port, inode, ok)
	}
	const six = "   1: 00000000000000000000000000000000:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0000000000000000 100 0 0 10 0"
	if port, inode, ok := listener(six); !ok || port != 8081 || inode != "99" {
		t.Errorf("listener = %d, %s, %v", port, inode, ok)
	}
	for _, bad := range []string{
		"", "sl local_address", strings.Replace(line, " 0A ", " 01 ", 1), strings.Replace(line, "1F90", "zz", 1), strings.Replace(line, ":1F90", "", 1),
	} {
		if _, _, ok := listener(bad); ok {
			t.Errorf("listener(%q) accepts it", bad)
		}
	}
}

func FuzzListener(f *testing.F) {
	f.Add("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 27213 1")
	f.Fuzz(func(t *testing.T, line string) {
		if port, inode, ok := listener(line); ok && (port < 0 || port > 65535 || inode == "") {
			t.Errorf("listener(%q) = %d, %q", line, port, inode)
		}
	})
}

func ExampleCheck() {
	if err := Check(Fixed{Port: 70000, Who: "edge", Setting: "--port"}); err != nil {
		fmt.Println(err)
	}
	// Output: port 70000 for edge is no port; choose one from 1 to 65535 with --port
}
