package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/musterdev/muster/call/discovery"
)

// TestWebSockets has clients and servers of two projects, ws of npm and coder/websocket of
// Go, talk to each other through the edge.
func TestWebSockets(t *testing.T) {
	servers := map[string]func(*testing.T) string{
		"coder": func(t *testing.T) string {
			s := httptest.NewServer(&sockets{})
			t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
			return s.Listener.Addr().String()
		},
		"ws": wsServer,
	}
	for name, start := range servers {
		t.Run("server="+name, func(t *testing.T) {
			e := open(t, map[string][]discovery.Instance{"a": at(discovery.HTTP, start(t))}, route("a"))
			t.Run("client=coder", func(t *testing.T) { e.each(t, converse) })
			t.Run("client=ws", func(t *testing.T) { e.each(t, wsClient) })
		})
	}
}

// node returns a command that runs a script of testdata/ws, with the modules of scripts/npm.
func node(ctx context.Context, t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(root, "scripts", "npm.sh")).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 3 {
		t.Skipf("suite ws: %s", bytes.TrimSpace(out))
	}
	if err != nil {
		t.Fatalf("scripts/npm.sh: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join("testdata", "ws", script)}, args...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(root, "build", "npm", "node_modules"))
	cmd.Stderr = os.Stderr
	return cmd
}

// wsServer runs the server of ws until the test's end and returns its address.
func wsServer(t *testing.T) string {
	cmd := node(context.Background(), t, "server.js")
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
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server of ws says nothing: %v", err)
	}
	return "127.0.0.1:" + strings.TrimSpace(line)
}

// wsClient runs the client of ws, whose lines are the cases.
func wsClient(t *testing.T, in *entrance) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := node(ctx, t, "client.js", in.url(""))
	cmd.Env = append(cmd.Env, "NODE_EXTRA_CA_CERTS="+in.ca)
	out, err := cmd.Output()
	if err != nil || bytes.Count(out, []byte("ok ")) < 13 {
		t.Errorf("%v\n%s", err, out)
	}
}

// sockets is the server of testdata/ws/server.js, by coder/websocket.
type sockets struct{ closed sync.Map }

func (s *sockets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch r.URL.Path {
	case "/closed":
		if text, ok := s.closed.Load(q.Get("id")); ok {
			_, _ = io.WriteString(w, text.(string))
		}
		return
	case "/refuse":
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "not me")
		return
	}
	o := &websocket.AcceptOptions{Subprotocols: []string{"chat"}}
	if r.URL.Path == "/deflate" {
		o.CompressionMode = websocket.CompressionContextTakeover
	}
	c, err := websocket.Accept(w, r, o)
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(32 << 20)
	ctx := context.Background()
	switch r.URL.Path {
	case "/push":
		for i := range 1000 {
			_ = c.Write(ctx, websocket.MessageText, []byte("message "+strconv.Itoa(i)))
		}
		_ = c.Close(websocket.StatusNormalClosure, "done")
	case "/close":
		code, _ := strconv.Atoi(q.Get("code"))
		_ = c.Close(websocket.StatusCode(code), q.Get("reason"))
	case "/die":
		_, _, _ = c.Read(ctx)
	case "/ping":
		ended := c.CloseRead(ctx)
		if c.Ping(ctx) == nil {
			_ = c.Write(ctx, websocket.MessageText, []byte("ponged are you there"))
		}
		<-ended.Done()
	case "/protocol":
		_ = c.Write(ctx, websocket.MessageText, []byte(c.Subprotocol()))
		<-c.CloseRead(ctx).Done()
	default:
		s.closed.Store(q.Get("id"), echo(ctx, c))
	}
}

// echo returns how the connection ended, as ws says it.
func echo(ctx context.Context, c *websocket.Conn) string {
	for {
		kind, data, err := c.Read(ctx)
		if err != nil {
			if e, ok := errors.AsType[websocket.CloseError](err); ok {
				return strconv.Itoa(int(e.Code)) + " " + e.Reason
			}
			return "1006 "
		}
		if c.Write(ctx, kind, data) != nil {
			return "1006 "
		}
	}
}
