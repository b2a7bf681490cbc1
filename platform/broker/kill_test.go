package broker_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/platform/broker"
)

// asBroker is the folder of the store, for a test binary that is to be a broker.
const asBroker = "MUSTER_TEST_AS_BROKER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asBroker); dir != "" {
		os.Exit(beBroker(dir))
	}
	os.Exit(m.Run())
}

// beBroker runs a server at the port in the folder, until standard input ends.
func beBroker(dir string) int {
	var port int
	if data, err := os.ReadFile(filepath.Join(dir, "port")); err == nil {
		_, _ = fmt.Sscan(string(data), &port)
	}
	s, err := broker.Start(context.Background(), broker.Config{Port: port, StoreDir: filepath.Join(dir, "store")}, nil)
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	fmt.Println(s.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Stop()
	return 0
}

// process is a broker of its own.
type process struct {
	cmd *exec.Cmd
	in  io.Closer
	url string
}

func spawn(t *testing.T, dir string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(exe)}
	p.cmd.Env = append(os.Environ(), asBroker+"="+dir)
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.in = in
	line, _ := bufio.NewReader(out).ReadString('\n')
	if p.url = strings.TrimSpace(line); !strings.HasPrefix(p.url, "nats://") {
		t.Fatalf("the broker's process said %q", line)
	}
	if err := writeFile(filepath.Join(dir, "port"), p.url[strings.LastIndex(p.url, ":")+1:]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()
}

// TestAKilledBrokerLosesNothing kills the broker's process again and again while there
// are publishers and a consumer.
func TestAKilledBrokerLosesNothing(t *testing.T) {
	kills, publishers := 5, 4
	if testing.Short() {
		kills = 2
	}
	dir := t.TempDir()
	p := spawn(t, dir)
	connection, err := nats.Driver.OpenBus(t.Context(), p.url, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	var mu sync.Mutex
	acked, got := map[string]int{}, map[string]int{} // by key: how many, and the last number
	disorder := ""
	consumer := &bus.Consumer{Broker: connection, Group: "g"}
	err = consumer.On("orders.placed", func(_ context.Context, d bus.Delivery) error {
		var n int
		if _, err := fmt.Sscanf(d.ID, d.Key+"-%d", &n); err != nil {
			return bus.Final(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if n > got[d.Key]+1 {
			disorder = fmt.Sprintf("%s came after %s-%d", d.ID, d.Key, got[d.Key])
		}
		got[d.Key] = max(got[d.Key], n)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	consuming := make(chan error, 1)
	go func() { consuming <- consumer.Run(ctx) }()

	load, stop := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	for i := range publishers {
		publishing.Go(func() {
			keys := []string{fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i)}
			for n := 1; load.Err() == nil; {
				var msgs []bus.Msg
				for range 8 {
					for _, k := range keys {
						msgs = append(msgs, bus.Msg{ID: fmt.Sprintf("%s-%d", k, n), Source: "/test", Topic: "orders.placed", Key: k})
					}
					n++
				}
				for j, r := range connection.Publish(t.Context(), msgs) { // a publisher waits for the broker
					if r.Err != nil {
						t.Errorf("%s: %v", msgs[j].ID, r.Err)
						return
					}
				}
				mu.Lock()
				for _, k := range keys {
					acked[k] = n - 1
				}
				mu.Unlock()
			}
		})
	}
	count := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, last := range acked {
			n += last
		}
		return n
	}
	for range kills {
		before := count()
		until(t, "messages are stored again", func() bool { return count() > before+100 })
		p.kill()
		p = spawn(t, dir)
	}
	stop()
	publishing.Wait()
	until(t, "all that was acknowledged came", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for k, last := range acked {
			if got[k] < last {
				return false
			}
		}
		return true
	})
	cancel()
	if err := <-consuming; err != nil {
		t.Error(err)
	}
	if disorder != "" {
		t.Error(disorder)
	}
	t.Logf("%d messages, %d kills", count(), kills)
}
