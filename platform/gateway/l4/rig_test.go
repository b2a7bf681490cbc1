package l4_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/l4"
)

// within bounds what a test waits for, so that a mistake is a failure and not a hang.
const within = 10 * time.Second

// rig is a Proxy on a listener, in front of a fleet whose lists a test sets.
type rig struct {
	*l4.Proxy

	addr   string
	t      *testing.T
	served chan error
	ended  bool

	mu    sync.Mutex
	views map[string]*discovery.View
}

func (r *rig) View(service string) *discovery.View {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.views[service] == nil {
		r.views[service] = discovery.NewView()
	}
	return r.views[service]
}

// add registers the instances of a service, one at each address.
func (r *rig) add(service string, addrs ...string) {
	var list []discovery.Instance
	for i, addr := range addrs {
		list = append(list, discovery.Instance{
			ID: service + "-" + strconv.Itoa(i), Service: service, State: discovery.Ready, Endpoints: map[string]string{l4.Endpoint: addr},
		})
	}
	r.View(service).Set(list)
}

func start(t *testing.T, cfg l4.Config) *rig {
	t.Helper()
	r := &rig{t: t, served: make(chan error, 1), views: map[string]*discovery.View{}}
	cfg.Resolver = r
	if len(cfg.Routes.Names) == 0 && cfg.Routes.Default == (l4.Target{}) {
		cfg.Routes.Default = l4.Target{Service: "db"}
	}
	var err error
	if r.Proxy, err = l4.New(cfg); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	go func() { r.served <- r.Serve(l) }()
	t.Cleanup(func() {
		if !r.ended {
			if err := r.end(within); err != nil {
				t.Errorf("connections did not end: %v", err)
			}
		}
	})
	return r
}

// end shuts the Proxy down, and checks that every connection was counted.
func (r *rig) end(patience time.Duration) error {
	r.t.Helper()
	r.ended = true
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := r.Shutdown(ctx)
	if served := <-r.served; served != nil {
		r.t.Errorf("Serve: %v", served)
	}
	if s := r.Stats(); s.Open != 0 {
		r.t.Errorf("after the end: %+v", s)
	}
	return err
}

func (r *rig) dial() *net.TCPConn { return dial(r.t, r.addr) }

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, within)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(within))
	return c.(*net.TCPConn)
}

// refused expects a new connection to be reset, be it before it is known to be there.
func (r *rig) refused() {
	r.t.Helper()
	c, err := net.DialTimeout("tcp", r.addr, within)
	if err == nil {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(within))
		_, err = c.Read(make([]byte, 1))
	}
	if !isReset(err) {
		r.t.Errorf("the client saw %v", err)
	}
}

// listen runs an instance that does serve with each connection, and closes it then.
func listen(t *testing.T, serve func(c *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(within))
			running.Go(func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			})
		}
	})
	return l.Addr().String()
}

// named sends its name and then all it is sent, until there is no more.
func named(t *testing.T, name string) string {
	return listen(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, name)
		_, _ = io.Copy(c, c)
	})
}

// expect reads exactly what is wanted.
func expect(t *testing.T, c io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("%q, %v; want %q", b[:n], err, want)
	}
}

// isReset reports whether a connection ended in another way than by itself.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); {
		if time.Now().After(end) {
			t.Fatal("it never came to be: ", what)
		}
		time.Sleep(time.Millisecond)
	}
}
