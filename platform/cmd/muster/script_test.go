package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/postgres/pgserver"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
)

// The command line is tested as its users meet it: scripts start the real binary,
// which starts real processes. Each has ports and folders of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"muster": main, "svc": svc, "tcpsvc": tcpsvc})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			// any free ports: scripts run beside one another and beside a user's own fleet
			e.Setenv("MUSTER_EDGE_PORT", "0")
			e.Setenv("MUSTER_CONTROL_PORT", "0")
			e.Setenv("MUSTER_BROKER_PORT", "0")
			e.Setenv("MUSTER_BROKER_HTTP_PORT", "0")
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Condition: func(is string) (bool, error) {
			if is != "postgres" { // a server can be started
				return false, fmt.Errorf("there is no condition %q", is)
			}
			return pgserver.Installed() == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":   await,
			"nothing": nothing,
			"oneline": oneline,
			"occupy":  occupy,
			"free":    free,
			"sight":   sight,
			"until":   until,
		},
	})
}

// await PATTERN COMMAND... runs a command again and again until what it prints
// matches, for up to 20 s.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await pattern command...")
	}
	want := regexp.MustCompile(args[0])
	deadline := time.Now().Add(20 * time.Second)
	var out []byte
	for time.Now().Before(deadline) {
		cmd := exec.Command(args[1], args[2:]...)
		path, err := exec.LookPath(args[1])
		if p := lookPath(ts, args[1]); p != "" {
			path, err = p, nil
		}
		ts.Check(err)
		cmd.Path, cmd.Err = path, nil
		cmd.Dir, cmd.Env = ts.MkAbs("."), environ(ts)
		out, _ = cmd.CombinedOutput() // it may fail until what is awaited is there
		if want.Match(out) {
			return
		}
		time.Sleep(50 * time.Millisecond) // between two questions
	}
	ts.Fatalf("%v never printed %q; last:\n%s", args[1:], args[0], out)
}

func lookPath(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p := filepath.Join(dir, name); strings.Contains(dir, "testscript") {
			if _, err := os.Stat(p); err == nil {
				return p
			}
		}
	}
	return ""
}

func environ(ts *testscript.TestScript) []string {
	env := []string{"WORK=" + ts.Getenv("WORK")}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "MUSTER_EDGE_PORT", "MUSTER_CONTROL_PORT", "MUSTER_BROKER_PORT", "MUSTER_BROKER_HTTP_PORT"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// nothing checks that no process of this script is left: none whose command line or
// environment names its folder. It waits up to 3 s for those that are ending.
func nothing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: nothing")
	}
	work := []byte(ts.Getenv("WORK"))
	deadline := time.Now().Add(3 * time.Second)
	for {
		var left []string
		dirs, err := filepath.Glob("/proc/[0-9]*")
		ts.Check(err)
		for _, dir := range dirs {
			if filepath.Base(dir) == strconv.Itoa(os.Getpid()) {
				continue
			}
			cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline")) // the process may have ended
			env, _ := os.ReadFile(filepath.Join(dir, "environ"))
			if len(cmdline) > 0 && (bytes.Contains(cmdline, work) || bytes.Contains(env, append([]byte("HOME="), work...))) {
				left = append(left, filepath.Base(dir)+": "+strings.ReplaceAll(string(cmdline), "\x00", " "))
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("left behind:\n%s", strings.Join(left, "\n"))
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

// oneline checks that standard error of the last command begins with one clear line:
// that it matches, that it is the only one not indented.
func oneline(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: oneline pattern")
	}
	lines := strings.Split(strings.TrimRight(ts.ReadFile("stderr"), "\n"), "\n")
	if !regexp.MustCompile("^error: .*" + args[0]).MatchString(lines[0]) {
		ts.Fatalf("the first line of stderr is %q, want error: … %s", lines[0], args[0])
	}
	for _, l := range lines[1:] {
		if l != "" && !strings.HasPrefix(l, " ") {
			ts.Fatalf("a second line that is not indented: %q", l)
		}
	}
}

// occupy VARIABLE takes a free port until the script ends and names it.
func occupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy VARIABLE")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// free VARIABLE names a free port.
func free(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: free VARIABLE")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// svc is a small program of many faults, as scripts' fleets run it.
func svc() {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, "svc:", err)
		os.Exit(1)
	}
	mode := "http"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "http": // knows nothing of Muster
		var asked atomic.Int64
		http.HandleFunc("/counted", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = fmt.Fprintf(w, "# TYPE asked_total counter\nasked_total %d\n", asked.Load())
		})
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if strings.HasSuffix(r.URL.Path, "/slow") {
				<-time.After(200 * time.Millisecond)
			}
			_, _ = fmt.Fprintf(w, "%s %s %s\n", os.Getenv("MUSTER_SERVICE"), os.Getenv("GREETING"), r.URL.Path)
		})
		fail(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
	case "library":
		muster.Main(muster.Service{Name: os.Getenv("MUSTER_SERVICE"), Run: func(ctx context.Context, app *muster.App) error {
			if os.Getenv("DATABASE_URL") != "" {
				if _, err := app.DB(); err != nil {
					return err
				}
			}
			return app.Serve(ctx)
		}}, reference.Drivers())
	case "asks":
		muster.Main(muster.Service{Name: os.Getenv("MUSTER_SERVICE"), Run: asks(os.Args[2])}, reference.Drivers())
	case "never":
		http.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "still looking for my keys", http.StatusServiceUnavailable)
		})
		fail(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
	case "lock": // a foreign program that keeps a database to itself
		db, err := sql.Open("sqlite", os.Args[2])
		if err != nil {
			fail(err)
		}
		db.SetMaxOpenConns(1)
		if _, err := db.Exec("PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE mine (id INTEGER); BEGIN EXCLUSIVE; INSERT INTO mine VALUES (1)"); err != nil {
			fail(err)
		}
		fmt.Println("locked")
		select {}
	case "maker":
		muster.Main(muster.Service{Name: os.Getenv("MUSTER_SERVICE"), Run: maker}, reference.Drivers())
	case "page":
		muster.Main(muster.Service{Name: os.Getenv("MUSTER_SERVICE"), Run: page}, reference.Drivers())
	case "stock":
		muster.Main(muster.Service{Name: os.Getenv("MUSTER_SERVICE"), Run: stock}, reference.Drivers())
	case "teller":
		muster.Main(muster.Service{Name: os.Getenv("MUSTER_SERVICE"), Run: teller}, reference.Drivers())
	case "till":
		muster.Main(muster.Service{Name: os.Getenv("MUSTER_SERVICE"), Run: till}, reference.Drivers())
	case "shelf":
		muster.Main(muster.Service{Name: os.Getenv("MUSTER_SERVICE"), Run: shelf(len(os.Args) > 2)}, reference.Drivers())
	case "balance":
		if err := balance(os.Getenv); err != nil {
			fail(err)
		}
	case "taker":
		fail(taker())
	case "post":
		if err := post(os.Args[2]); err != nil {
			fail(err)
		}
	case "exit":
		fmt.Println("first words")
		fmt.Println("last words")
		os.Exit(3)
	default:
		fail(errors.New("unknown mode " + mode))
	}
}
