//go:build unix

package ctl_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/ctl"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/guard"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
	"github.com/musterdev/muster/platform/supervise/logs"
	"github.com/musterdev/muster/problem"
)

func TestMain(m *testing.M) {
	testchild.Main(m, map[string]func() int{
		testchild.Guardian: func() int { return guard.Main(os.Stdin, os.Stdout) },
		"listener": func() int { // opens the control socket of a folder and waits to be killed
			l, err := ctl.Listen(os.Args[1])
			if err != nil {
				fmt.Println(err)
				return 1
			}
			fmt.Println("listening")
			_, _ = l.Accept()
			return 0
		},
	})
}

// running starts a fleet of one service and its control socket.
func running(t *testing.T) (dir string, client *ctl.Client, ended <-chan error) {
	t.Helper()
	dir = t.TempDir()
	file := filepath.Join(dir, "muster.yaml")
	variable, role := testchild.Variable(testchild.Ready)
	text := fmt.Sprintf("fleet: test\nservices:\n  orders: {run: %q, env: {%s: %s}}\n", testchild.Command(t)[0], variable, role)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Load(file, fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ctl.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	s, err := supervise.New(supervise.Config{
		Fleet: f, Guardian: testchild.Command(t), Env: testchild.Env(testchild.Guardian),
		Timing: instance.Timing{ProbeFirst: 10 * time.Millisecond, Watchers: 20 * time.Millisecond},
		Events: func(e event.Event) {
			if e.Kind == event.FleetReady {
				close(up)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, over := context.WithCancel(context.Background())
	served, run := make(chan error, 1), make(chan error, 1)
	go func() { served <- ctl.Serve(ctx, l, s) }()
	go func() { run <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		stop, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Down(stop); err != nil {
			t.Error(err)
		}
		over()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(ctl.Path(dir)); err == nil {
			t.Error("the socket is left behind")
		}
	})
	select {
	case <-up:
	case err := <-run:
		t.Fatal(err)
	}
	return dir, ctl.NewClient(dir), run
}

func TestEveryVerb(t *testing.T) {
	dir, c, ended := running(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()

	info, err := os.Stat(ctl.Path(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v, %v", info.Mode(), err)
	}
	st, err := c.Status(ctx)
	if err != nil || st.Fleet != "test" || len(st.Services) != 1 || st.Services[0].Instances[0].Phase != instance.Ready {
		t.Errorf("status %+v, %v", st, err)
	}
	if err := c.Scale(ctx, "orders", 2); err != nil {
		t.Error(err)
	}
	if err := c.Replace(ctx, "orders"); err != nil {
		t.Error(err)
	}
	if err := c.ReplaceInstance(ctx, "orders-3"); err != nil {
		t.Error(err)
	}
	if err := c.Kill(ctx, "orders-4"); err != nil {
		t.Error(err)
	}
	testchild.Eventually(t, 10*time.Second, "orders-4 is back", func() bool {
		st, err := c.Status(ctx)
		return err == nil && st.Services[0].Ready == 2 && st.Services[0].Instances[0].Restarts == 1
	})
	if err := c.KillFor(ctx, "orders-4", time.Hour); err != nil {
		t.Error(err)
	}
	testchild.Eventually(t, 10*time.Second, "orders-4 stays away", func() bool {
		st, err := c.Status(ctx)
		return err == nil && st.Services[0].Instances[0].Phase == instance.Backoff
	})
	env, err := c.Environment(ctx, "orders")
	if err != nil || env["MUSTER_SERVICE"] != "orders" {
		t.Errorf("env %v, %v", env, err)
	}
	var texts []string
	if err := c.Logs(ctx, ctl.Tail{Service: "orders", Lines: 100}, func(l logs.Line) error { texts = append(texts, l.Text); return nil }); err != nil {
		t.Error(err)
	}
	if all := strings.Join(texts, "\n"); !strings.Contains(all, "ready orders-1 listens on ") || !strings.Contains(all, "ended politely") {
		t.Errorf("logs %q", all)
	}

	followed := make(chan string, 100)
	followEnded := make(chan error, 1)
	go func() {
		followEnded <- c.Logs(ctx, ctl.Tail{Lines: 1, Follow: true}, func(l logs.Line) error { followed <- l.Instance; return nil })
	}()
	<-followed // the last line of the past
	if err := c.Scale(ctx, "orders", 3); err != nil {
		t.Error(err)
	}
	if id := <-followed; id != "orders-6" {
		t.Errorf("followed a line of %s", id)
	}

	if err := c.Down(ctx); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := c.Status(ctx); err != nil { // the socket outlives the fleet a little, so that down is answered
		t.Error(err)
	}
	_ = followEnded
}

func TestRefusals(t *testing.T) {
	dir, c, _ := running(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for name, c := range map[string]struct {
		err  error
		code problem.Code
		text string
	}{
		"unknown service":  {c.Scale(ctx, "order", 1), problem.NotFound, `unknown name: "order"; the fleet has [orders]`},
		"unknown instance": {c.Kill(ctx, "orders-77"), problem.NotFound, `unknown name: there is no instance "orders-77" now`},
		"too many":         {c.Scale(ctx, "orders", 65), problem.FailedPrecondition, "must be from 0 to 64"},
		"no service":       {c.Scale(ctx, "", 1), problem.InvalidArgument, "service: name the service"},
		"no instance":      {c.Kill(ctx, ""), problem.InvalidArgument, "instance: name the instance"},
		"too long":         {c.KillFor(ctx, "orders-1", 2*time.Hour), problem.InvalidArgument, "for: must be a duration up to 1h0m0s"},
		"nothing":          {c.Replace(ctx, ""), problem.InvalidArgument, "service: name the service, or one instance of it"},
		"no logs":          {c.Logs(ctx, ctl.Tail{Service: "x"}, nil), problem.NotFound, `no service or engine is called "x"`},
		"bad tail":         {c.Logs(ctx, ctl.Tail{Lines: -1}, nil), problem.InvalidArgument, "tail: must be"},
	} {
		var no *ctl.Refusal
		if !errors.As(c.err, &no) || problem.CodeOf(c.err) != c.code || !strings.Contains(c.err.Error(), c.text) {
			t.Errorf("%s: %v (%s)", name, c.err, problem.CodeOf(c.err))
		}
	}
	raw := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", ctl.Path(dir))
	}}}
	for body, want := range map[string]int{`{"service":"orders","replica":2}`: 400, `{`: 400, ``: 400, `{"service":"orders"}`: 400} {
		res, err := raw.Post("http://muster/v1/scale", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d %s", body, res.StatusCode, text)
		}
	}
	if _, err := ctl.Listen(dir); err == nil || !strings.Contains(err.Error(), "runs in "+dir) {
		t.Errorf("a second listener: %v", err)
	}
}

func TestSocketOfADeadSupervisorIsReplaced(t *testing.T) {
	dir := t.TempDir()
	if _, err := ctl.NewClient(dir).Status(t.Context()); !errors.Is(err, ctl.ErrNoFleet) {
		t.Errorf("no fleet: %v", err)
	}
	cmd := exec.Command(testchild.Command(t)[0], dir)
	cmd.Env = testchild.Env("listener")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 10)
	if _, err := io.ReadFull(out, said); err != nil || string(said) != "listening\n" {
		t.Fatalf("it said %q, %v", said, err)
	}
	_, err = ctl.Listen(dir)
	var living *ctl.RunningError
	if !errors.As(err, &living) || living.PID != cmd.Process.Pid {
		t.Errorf("while another lives: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := ctl.NewClient(dir).Status(t.Context()); !errors.Is(err, ctl.ErrNoFleet) {
		t.Errorf("a dead fleet: %v", err)
	}
	l, err := ctl.Listen(dir)
	if err != nil {
		t.Fatalf("after it died: %v", err)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
}

func TestLongFolderNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	l, err := ctl.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if path := ctl.Path(dir); len(path) > 103 || path == ctl.Path(dir+"x") {
		t.Errorf("path %s", path)
	}
	if edge := ctl.Socket(dir, "edge.sock"); len(edge) > 103 || edge == ctl.Path(dir) {
		t.Errorf("path of the edge's socket %s", edge)
	}
}

func ExampleClient() {
	_, err := ctl.NewClient("/no/fleet/here").Status(context.Background())
	fmt.Println(err)
	// Output: /no/fleet/here: no fleet runs here; start one with "muster up"
}
