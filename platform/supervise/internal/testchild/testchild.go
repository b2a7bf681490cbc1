// Package testchild is the program that supervise's tests start: the test binary
// itself, which plays a role named by the environment.
package testchild

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// roleVar names the role in a child's environment.
const roleVar = "TEST_CHILD_ROLE"

// The roles every test binary can play.
const (
	Ready      = "ready"     // ready at once; SIGTERM ends it politely with code 0
	Leased     = "leased"    // ready, and says that it holds its lease itself
	NoPage     = "no-page"   // serves, but knows no /readyz
	Never      = "never"     // serves, and says forever that it is not ready
	Silent     = "silent"    // runs and listens nowhere
	Exit3      = "exit-3"    // prints some lines and exits with code 3
	Flood      = "flood"     // ready, and prints as fast as it can
	Family     = "family"    // ready, and has a child of its own that ignores SIGTERM
	Deaf       = "deaf"      // ready, and ignores SIGTERM
	Stubborn   = "stubborn"  // listens nowhere and ignores SIGTERM
	Lines      = "lines"     // prints $LINES lines, a partial one at the end, and exits 0
	ReadyFor   = "ready-for" // ready until GET /exit?code=N
	Moody      = "moody"     // ready until GET /mood?ready=false, alive until GET /mood?alive=false
	Guardian   = "guardian"  // the roles below are played by the tests' own functions
	Supervisor = "supervisor"
)

// Main runs the tests, or plays the role the environment names: one of more, or
// one of those above. Call it from TestMain.
func Main(m *testing.M, more map[string]func() int) {
	role := os.Getenv(roleVar)
	switch play := more[role]; {
	case role == "":
		os.Exit(m.Run())
	case play != nil:
		os.Exit(play())
	default:
		os.Exit(child(role))
	}
}

// Command returns the command that runs this test binary.
func Command(t testing.TB) []string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

// Env returns this process's environment with a role and more variables.
func Env(role string, more ...string) []string {
	// The race detector would have every child wait a second before it exits.
	return append(os.Environ(), append([]string{"GORACE=atexit_sleep_ms=0", roleVar + "=" + role}, more...)...)
}

// Variable returns the name and value that give a child a role.
func Variable(role string) (name, value string) { return roleVar, role }

// Eventually waits until condition holds, and fails the test if it does not in time.
func Eventually(t testing.TB, within time.Duration, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(within); !condition(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// Alive reports whether a process runs. A zombie does not.
func Alive(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, after, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(after, "Z")
	}
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}

func child(role string) int {
	switch role {
	case Exit3:
		fmt.Println("reading the configuration")
		fmt.Println("the configuration is broken")
		return 3
	case Lines:
		n, _ := strconv.Atoi(os.Getenv("LINES"))
		for i := range n {
			fmt.Printf("line %d\n", i)
		}
		fmt.Print("no end")
		return 0
	case Silent:
		fmt.Println("working")
		<-terminated(true)
		return 0
	case Stubborn:
		<-terminated(false)
		fmt.Println("deaf")
		select {}
	case Flood:
		go flood()
	case Family:
		if err := grandchild(); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	return serve(role)
}

// terminated returns a channel that is ready after SIGTERM, or at once, with
// SIGTERM ignored, for a deaf child.
func terminated(polite bool) <-chan os.Signal {
	c := make(chan os.Signal, 1)
	if polite {
		signal.Notify(c, syscall.SIGTERM, os.Interrupt)
	} else {
		signal.Ignore(syscall.SIGTERM)
		c <- syscall.SIGTERM
	}
	return c
}

func flood() {
	line := []byte(strings.Repeat("x", 200) + "\n")
	for {
		if _, err := os.Stdout.Write(line); err != nil {
			return
		}
	}
}

func grandchild() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(path)
	cmd.Env, cmd.Stdout = Env(Stubborn), os.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Printf("grandchild %d\n", cmd.Process.Pid)
	return nil
}

// serve answers on PORT until SIGTERM.
func serve(role string) int {
	port := os.Getenv("PORT")
	if port == "" {
		port = "0"
	}
	over := terminated(role != Deaf)
	if role == Deaf {
		over = nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Printf("%s %s listens on %s\n", role, os.Getenv("MUSTER_INSTANCE"), l.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s %s %d", os.Getenv("MUSTER_INSTANCE"), os.Getenv("GREETING"), os.Getpid())
	})
	mux.HandleFunc("GET /exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		os.Exit(code)
	})
	var sick, dead atomic.Bool
	mux.HandleFunc("GET /mood", func(_ http.ResponseWriter, r *http.Request) {
		sick.Store(r.URL.Query().Get("ready") == "false")
		dead.Store(r.URL.Query().Get("alive") == "false")
	})
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		if dead.Load() {
			http.Error(w, "stuck", http.StatusInternalServerError)
		}
	})
	if role != NoPage {
		mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
			if role == Leased {
				w.Header().Set("Muster-Lease", "held")
			}
			if role == Never || sick.Load() {
				http.Error(w, "the cache is\n cold", http.StatusServiceUnavailable)
			}
		})
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	<-over
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
	fmt.Println("ended politely")
	return 0
}
