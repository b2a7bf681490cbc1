package broker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/platform/broker"
	"github.com/musterdev/muster/problem"
)

func TestAStoreThatIsFullIsNamed(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, broker.Config{MaxStore: 1 << 20})
	data := strings.Repeat("x", 300<<10)
	var status int
	var body string
	for i := range 10 {
		status, body, _ = r.ask("POST", "/v1/events", data, "ce-specversion", "1.0", "ce-id", fmt.Sprint(i), "ce-source", "/test", "ce-type", "orders.placed")
		if status != http.StatusAccepted {
			break
		}
	}
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "store is full") {
		t.Errorf("%d %s", status, body)
	}
	r.stop()
	r = start(t, dir, broker.Config{MaxStore: 8 << 20})
	if status, body, _ := r.ask("POST", "/v1/events", data, "ce-specversion", "1.0", "ce-id", "more", "ce-source", "/test", "ce-type", "orders.placed"); status != http.StatusAccepted {
		t.Errorf("with room again: %d %s", status, body)
	}
}

// TestAFullDisk fills a small file system of its own below the store, and makes room.
func TestAFullDisk(t *testing.T) {
	disk := smallDisk(t)
	server, err := broker.Start(t.Context(), broker.Config{StoreDir: filepath.Join(disk, "store"), MaxStore: 1 << 30}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = server.Watch(ctx) })
	defer watching.Wait()
	defer cancel()
	connection, err := nats.Driver.OpenBus(t.Context(), server.URL(), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	publish := func(id string, within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return connection.Publish(ctx, []bus.Msg{{ID: id, Source: "/test", Topic: "orders.placed", Key: "k", Data: make([]byte, 100<<10)}})[0].Err
	}
	if err := publish("first", patience); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	stored := 1
	for ; err == nil; stored++ {
		err = publish(fmt.Sprint("more", stored), 2*time.Second)
	}
	if stored > 100 || problem.CodeOf(err) != problem.Unavailable || !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "full") {
		t.Fatalf("after %d messages: %v", stored, err)
	}
	until(t, "the server names its store", func() bool { return server.Err() != nil })
	if err := server.Err(); problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "make room") {
		t.Error(err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	until(t, "the store works again", func() bool { return server.Err() == nil })
	if err := publish("last", patience); err != nil {
		t.Fatal(err)
	}
	sub, err := connection.Subscribe(t.Context(), bus.Subscription{Group: "g", Topics: []string{"orders.placed"}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for !strings.HasSuffix(strings.Join(ids, " "), "last") {
		got, err := sub.Receive(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, got[0].ID)
		if err := sub.Settle(t.Context(), bus.Verdict{Delivery: got[0]}); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) < stored || ids[0] != "first" {
		t.Errorf("%d were stored before the last, and there are %v", stored, ids)
	}
	t.Log(ids)
}

// smallDisk mounts a file system of 16 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("full disk skipped: mounting a small tmpfs takes Linux and root")
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("full disk skipped: no tmpfs can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// fill writes a file until the disk is full but for a little.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(block)
	}
	if i, e := f.Stat(); e != nil || f.Truncate(max(0, i.Size()-(512<<10))) != nil {
		t.Fatal(e)
	}
}
