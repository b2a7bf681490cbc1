package l4_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/l4"
)

// Each side may say that it has no more to send, and still hears the other.
func TestHalfClose(t *testing.T) {
	const size = 5<<20 + 17
	sent := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(sent)
	want := sha256.Sum256(sent)

	t.Run("the client first", func(t *testing.T) {
		r := start(t, l4.Config{})
		r.add("db", listen(t, func(c *net.TCPConn) {
			h := sha256.New()
			_, _ = io.Copy(h, c) // to the client's end
			_, _ = c.Write(h.Sum(nil))
		}))
		c := r.dial()
		if _, err := c.Write(sent); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, want[:]) {
			t.Fatalf("%x, %v", got, err)
		}
		eventually(t, "counted", func() bool {
			s := r.Stats()
			return s.In == size && s.Out == int64(len(want)) && s.Ends[l4.Ended] == 1
		})
	})
	t.Run("the instance first", func(t *testing.T) {
		r := start(t, l4.Config{})
		heard := make(chan [32]byte, 1)
		r.add("db", listen(t, func(c *net.TCPConn) {
			_, _ = c.Write([]byte("no more from me"))
			_ = c.CloseWrite()
			b, _ := io.ReadAll(c)
			heard <- sha256.Sum256(b)
		}))
		c := r.dial()
		if got, err := io.ReadAll(c); err != nil || string(got) != "no more from me" {
			t.Fatalf("%s, %v", got, err)
		}
		if _, err := c.Write(sent); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if <-heard != want {
			t.Error("what came after the instance's end is not what was sent")
		}
		eventually(t, "counted", func() bool { return r.Stats().Ends[l4.Ended] == 1 })
	})
}

// Bytes of all sizes come through both ways at once, as they were.
func TestBytes(t *testing.T) {
	r := start(t, l4.Config{})
	r.add("db", listen(t, func(c *net.TCPConn) { _, _ = io.Copy(c, c) }))
	c := r.dial()
	rnd := rand.New(rand.NewPCG(1, 2))
	sent := make([]byte, 3<<20)
	for i := range sent {
		sent[i] = byte(rnd.Uint32())
	}
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rnd.IntN(1<<rnd.IntN(18)))
			if _, err := c.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		_ = c.CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d bytes came back, %v", len(got), len(sent), err)
	}
}

// A reset on one side is a reset on the other, not an ordinary end.
func TestReset(t *testing.T) {
	t.Run("by the client", func(t *testing.T) {
		r := start(t, l4.Config{})
		seen := make(chan error, 1)
		r.add("db", listen(t, func(c *net.TCPConn) {
			_, _ = c.Write([]byte("x"))
			_, err := c.Read(make([]byte, 1))
			seen <- err
		}))
		c := r.dial()
		expect(t, c, "x")
		_ = c.SetLinger(0)
		_ = c.Close()
		if err := <-seen; !isReset(err) {
			t.Errorf("the instance saw %v", err)
		}
		eventually(t, "counted", func() bool { return r.Stats().Ends[l4.Broken] == 1 })
	})
	t.Run("by the instance", func(t *testing.T) {
		r := start(t, l4.Config{})
		r.add("db", listen(t, func(c *net.TCPConn) {
			_, _ = io.ReadFull(c, make([]byte, 1))
			_ = c.SetLinger(0)
		}))
		c := r.dial()
		_, _ = c.Write([]byte("x"))
		if _, err := c.Read(make([]byte, 1)); !isReset(err) {
			t.Errorf("the client saw %v", err)
		}
		eventually(t, "counted", func() bool { return r.Stats().Ends[l4.Broken] == 1 })
	})
}

// A client that does not read holds its instance up, and no more than what sockets and
// two buffers hold; when it reads again it gets all of it.
func TestSlowReader(t *testing.T) {
	r := start(t, l4.Config{})
	var wrote atomic.Int64
	blocked := make(chan struct{})
	r.add("db", listen(t, func(c *net.TCPConn) {
		b := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
		for wrote.Load() < 256<<20 {
			_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			n, err := c.Write(b)
			wrote.Add(int64(n))
			if err != nil {
				break
			}
		}
		close(blocked)
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	}))
	c := r.dial()
	_ = c.SetReadBuffer(64 << 10)
	<-blocked
	const most = 64 << 20
	if n := wrote.Load(); n > most {
		t.Fatalf("%d bytes were taken from the instance for a client that reads nothing", n)
	}
	n, err := io.Copy(io.Discard, c)
	if err != nil || n != wrote.Load() {
		t.Errorf("the client got %d of %d bytes, %v", n, wrote.Load(), err)
	}
	t.Logf("%d KiB were on their way", wrote.Load()>>10)
}

func TestIdle(t *testing.T) {
	const idle = 150 * time.Millisecond
	t.Run("silent", func(t *testing.T) {
		r := start(t, l4.Config{Idle: idle})
		r.add("db", named(t, "db"))
		c := r.dial()
		expect(t, c, "db")
		began := time.Now()
		if _, err := c.Read(make([]byte, 1)); !isReset(err) {
			t.Errorf("the client saw %v", err)
		}
		if took := time.Since(began); took < idle*9/10 {
			t.Errorf("it was ended after %s", took)
		}
		eventually(t, "counted", func() bool { return r.Stats().Ends[l4.Idle] == 1 })
	})
	t.Run("nothing is taken", func(t *testing.T) {
		r := start(t, l4.Config{Idle: idle})
		ended := make(chan error, 1)
		r.add("db", listen(t, func(c *net.TCPConn) {
			for b := make([]byte, 64<<10); ; {
				if _, err := c.Write(b); err != nil {
					ended <- err
					return
				}
			}
		}))
		_ = r.dial()
		if err := <-ended; !isReset(err) {
			t.Errorf("the instance saw %v", err)
		}
		eventually(t, "counted", func() bool { return r.Stats().Ends[l4.Idle] == 1 })
	})
	for name, both := range map[string]bool{"one speaks": false, "both speak": true} {
		t.Run(name, func(t *testing.T) {
			r := start(t, l4.Config{Idle: idle})
			r.add("db", listen(t, func(c *net.TCPConn) {
				tick := time.NewTicker(idle / 5)
				defer tick.Stop()
				for range 20 { // four times as long as one may be silent
					<-tick.C
					_, _ = c.Write([]byte("."))
				}
			}))
			c := r.dial()
			for range 20 {
				expect(t, c, ".")
				if both {
					_, _ = c.Write([]byte("."))
				}
			}
		})
	}
}

// The instance with the fewest connections gets the next, and one that is gone none.
func TestBalance(t *testing.T) {
	r := start(t, l4.Config{})
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	r.add("db", named(t, "a"), named(t, "b"), gone.Addr().String(), named(t, "c"))
	got := map[string]int{}
	var conns []net.Conn
	for range 30 {
		c := r.dial()
		b := make([]byte, 1)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		got[string(b)]++
		conns = append(conns, c)
	}
	for name, n := range got {
		if n < 9 || n > 11 {
			t.Errorf("%s has %d of 30 connections: %v", name, n, got)
		}
	}
	if n := r.InFlight("db-0") + r.InFlight("db-1") + r.InFlight("db-2") + r.InFlight("db-3"); n != 30 {
		t.Errorf("%d of 30 connections are in flight", n)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	eventually(t, "nothing in flight", func() bool { return r.InFlight("db-0") == 0 && r.Stats().Ends[l4.Ended] == 30 })
}

func TestNoInstance(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	for name, addrs := range map[string][]string{"none": nil, "none alive": {gone.Addr().String()}} {
		t.Run(name, func(t *testing.T) {
			r := start(t, l4.Config{Wait: 50 * time.Millisecond})
			r.add("db", addrs...)
			r.refused()
			eventually(t, "counted", func() bool { return r.Stats().Ends[l4.NoInstance] == 1 })
		})
	}
	t.Run("one comes", func(t *testing.T) {
		r := start(t, l4.Config{})
		addr := named(t, "db")
		c := r.dial()
		_, _ = c.Write([]byte("early"))
		eventually(t, "accepted", func() bool { return r.Stats().Open == 1 })
		r.add("db", addr)
		expect(t, c, "dbearly")
	})
}

// Another endpoint than tcp, and other routes while it runs.
func TestSetRoutes(t *testing.T) {
	r := start(t, l4.Config{})
	r.add("db", named(t, "db"))
	admin := named(t, "admin")
	r.View("cache").Set([]discovery.Instance{{
		ID: "cache-0", Service: "cache", State: discovery.Ready, Endpoints: map[string]string{l4.Endpoint: "127.0.0.1:1", "admin": admin},
	}})
	before := r.dial()
	expect(t, before, "db")
	if err := r.SetRoutes(l4.Routes{Default: l4.Target{Service: "No!"}}); err == nil {
		t.Error("routes that are not valid were taken")
	}
	if err := r.SetRoutes(l4.Routes{Default: l4.Target{Service: "cache", Endpoint: "admin"}}); err != nil {
		t.Fatal(err)
	}
	expect(t, r.dial(), "admin")
	_, _ = before.Write([]byte("still"))
	expect(t, before, "still")
}

func TestMax(t *testing.T) {
	r := start(t, l4.Config{Max: 2})
	r.add("db", named(t, "db"))
	one, two := r.dial(), r.dial()
	expect(t, one, "db")
	expect(t, two, "db")
	r.refused()
	_ = one.Close()
	eventually(t, "room again", func() bool { return r.Stats().Open == 1 })
	expect(t, r.dial(), "db")
	if s := r.Stats(); s.Ends[l4.Full] != 1 || s.Accepted != 4 {
		t.Errorf("%+v", s)
	}
}

func TestShutdown(t *testing.T) {
	t.Run("waits", func(t *testing.T) {
		r := start(t, l4.Config{})
		r.add("db", named(t, "db"))
		c := r.dial()
		expect(t, c, "db")
		ended := make(chan error, 1)
		go func() { ended <- r.end(within) }()
		eventually(t, "closed for others", func() bool {
			other, err := net.Dial("tcp", r.addr)
			if err == nil {
				_ = other.Close()
			}
			return err != nil
		})
		_, _ = c.Write([]byte("go on"))
		expect(t, c, "go on")
		_ = c.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := r.Stats().Ends[l4.Cut]; n != 0 {
			t.Errorf("%d were cut off", n)
		}
	})
	t.Run("cuts off", func(t *testing.T) {
		r := start(t, l4.Config{})
		r.add("db", named(t, "db"))
		c := r.dial()
		expect(t, c, "db")
		if err := r.SetRoutes(l4.Routes{Default: l4.Target{Service: "nobody"}}); err != nil {
			t.Fatal(err)
		}
		waits := r.dial() // for an instance
		eventually(t, "both are in", func() bool { return r.Stats().Open == 2 })
		if err := r.end(20 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		for _, c := range []net.Conn{c, waits} {
			if _, err := c.Read(make([]byte, 1)); !isReset(err) {
				t.Errorf("the client saw %v", err)
			}
		}
		if n := r.Stats().Ends[l4.Cut]; n != 2 {
			t.Errorf("%+v", r.Stats())
		}
	})
}

func TestValidate(t *testing.T) {
	db := l4.Target{Service: "db"}
	for _, r := range []l4.Routes{
		{Default: db},
		{Names: map[string]l4.Target{"db.example.com": db, "*.example.com": {Service: "x", Endpoint: "admin"}, "localhost": db, "*.com": db, "_a.b": db}},
	} {
		if err := r.Validate(); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	for want, r := range map[string]l4.Routes{
		"default.service":          {},
		"default.endpoint":         {Default: l4.Target{Service: "db", Endpoint: "TCP"}},
		`names."DB.x"`:             {Names: map[string]l4.Target{"DB.x": db}},
		`names."*"`:                {Names: map[string]l4.Target{"*": db}},
		`names."*.*.x"`:            {Names: map[string]l4.Target{"*.*.x": db}},
		`names."a..b"`:             {Names: map[string]l4.Target{"a..b": db}},
		`names."a."`:               {Names: map[string]l4.Target{"a.": db}},
		`names."10.0.0.1"`:         {Names: map[string]l4.Target{"10.0.0.1": db}},
		`names."127.0.0.1:5432"`:   {Names: map[string]l4.Target{"127.0.0.1:5432": db}},
		`names."a.b".service`:      {Names: map[string]l4.Target{"a.b": {}}},
		`names."a.b".endpoint`:     {Names: map[string]l4.Target{"a.b": {Service: "x", Endpoint: "-"}}},
		"default.service and more": {Default: l4.Target{Endpoint: "x"}, Names: map[string]l4.Target{"a.b": db}},
	} {
		want = strings.TrimSuffix(want, " and more")
		if err := r.Validate(); err == nil || !strings.Contains(fmt.Sprintf("%+v", err), want) {
			t.Errorf("%+v: %+v; want %s", r, err, want)
		}
	}
}
