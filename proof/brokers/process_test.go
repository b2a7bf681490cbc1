package brokers_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/kafka"
	"github.com/musterdev/muster/drivers/rabbitmq"
	"github.com/musterdev/muster/drivers/redis/streams"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/mustertest"
	"github.com/musterdev/muster/shop/cart"
	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/inventory"
	"github.com/musterdev/muster/shop/orders"
	"github.com/musterdev/muster/shop/payments"
	"github.com/musterdev/muster/shop/search"
	"github.com/musterdev/muster/shop/shipping"
)

// services are those that run as processes; the card processor, which is somebody else's,
// runs in the test's own.
func services() []muster.Service {
	return []muster.Service{catalog.Service, cart.Service, inventory.Service, orders.Service, payments.Service, shipping.Service, search.Service}
}

// TestMain makes a process of the test binary that is one service, as its own main would:
// nothing need be linked for it.
func TestMain(m *testing.M) {
	for _, s := range services() {
		if s.Name == os.Getenv("MUSTER_SERVICE") {
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin) // which ends with the test
				os.Exit(1)
			}()
			muster.Main(s, muster.With(sqlite.Driver, rabbitmq.Driver, streams.Driver, kafka.Driver))
		}
	}
	os.Exit(m.Run())
}

// process is a service that is started again when it was killed.
type process struct {
	t    *testing.T
	name string // of the service
	env  []string
	log  journal

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
}

// journal takes what a process prints.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// start runs a service until the test ends.
func start(t *testing.T, name string, env map[string]string) *process {
	t.Helper()
	p := &process{t: t, name: name, env: os.Environ()}
	for variable, value := range env {
		p.env = append(p.env, variable+"="+value)
	}
	p.begin()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("what %s printed:\n%s", name, &p.log)
		}
	})
	return p
}

func (p *process) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = p.env, &p.log
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Errorf("start %s: %v", p.name, err)
		return
	}
	p.cmd, p.stdin = cmd, stdin
}

// end kills it: nothing that it has not written down is left.
func (p *process) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended by itself
	_ = p.cmd.Wait()         // by the kill
	_ = p.stdin.Close()      // nobody reads it any more
	p.cmd = nil
}

// ready waits until the edge's way to a service is open.
func ready(t *testing.T, f *mustertest.Fleet, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+name+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := f.Client(name).Do(req)
		if err == nil {
			_ = res.Body.Close() // its status is all that counts
			if res.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("it answers %s", res.Status)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s is not ready: %v", name, err)
		}
	}
}
