package fault_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/drill/fault"
)

func TestCleanPassesAll(t *testing.T) {
	p := proxy(t, serve(t, echo))
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB
	c := dial(t, p.Addr())
	go func() {
		_, _ = c.Write(sent)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d came back, %v", len(got), len(sent), err)
	}
	if s := p.Stats(); s.Accepted != 1 || s.Up != int64(len(sent)) || s.Down != int64(len(sent)) || s.Reset != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestLatencyChangesLive(t *testing.T) {
	p := proxy(t, serve(t, echo))
	c := dial(t, p.Addr())
	said(t, c, "connected")
	set(t, p, fault.Delay(100*time.Millisecond, 20*time.Millisecond))
	for range 3 {
		if took := said(t, c, "slow"); took < 80*time.Millisecond {
			t.Errorf("a round trip of 100 ms, give or take 20, took %s", took)
		}
	}
	// What waits is let go when the latency is.
	set(t, p, fault.Toxics{Up: fault.Stream{Latency: time.Hour}})
	if _, err := io.WriteString(c, "x"); err != nil {
		t.Fatal(err)
	}
	silent(t, c)
	remove(t, p)
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if took := said(t, c, "fast"); took > 80*time.Millisecond {
		t.Logf("a round trip after the fault took %s", took) // a busy machine may
	}
}

// Latency holds back, it does not bound what passes: a window as on a long line.
func TestLatencyKeepsThroughput(t *testing.T) {
	p := proxy(t, serve(t, echo))
	set(t, p, fault.Delay(200*time.Millisecond, 0))
	c := dial(t, p.Addr())
	began := time.Now()
	go func() {
		for range 20 { // pieces that are not one read
			_, _ = c.Write(make([]byte, 10_000))
		}
		_ = c.CloseWrite()
	}()
	n, err := io.Copy(io.Discard, c)
	if took := time.Since(began); err != nil || n != 200_000 || took < 200*time.Millisecond || took > 2*time.Second {
		t.Errorf("%d bytes in %s, %v; want all after about 200 ms, not that for each piece", n, took, err)
	}
}

// A handshake holds up the first bytes of a connection, and no others.
func TestHandshake(t *testing.T) {
	p := proxy(t, serve(t, echo))
	set(t, p, fault.Toxics{Handshake: 300 * time.Millisecond})
	c := dial(t, p.Addr())
	began := time.Now()
	said(t, c, "first")
	first := time.Since(began)
	said(t, c, "second")
	if second := time.Since(began) - first; first < 280*time.Millisecond || second > 280*time.Millisecond {
		t.Errorf("the first words took %s, the second %s", first, second)
	}
}

func TestBandwidth(t *testing.T) {
	p := proxy(t, serve(t, echo))
	set(t, p, fault.Toxics{Down: fault.Stream{Bandwidth: 200_000}})
	c := dial(t, p.Addr())
	began := time.Now()
	go func() {
		_, _ = c.Write(make([]byte, 100_000))
		_ = c.CloseWrite()
	}()
	n, err := io.Copy(io.Discard, c)
	if took := time.Since(began); err != nil || n != 100_000 || took < 400*time.Millisecond || took > 2*time.Second {
		t.Errorf("%d bytes in %s, %v; at 200,000 a second 100,000 take half a second", n, took, err)
	}
}

func TestRefuse(t *testing.T) {
	p := proxy(t, serve(t, echo))
	c := dial(t, p.Addr())
	said(t, c, "before")
	for range 3 { // the port stays the proxy's
		set(t, p, fault.Toxics{Refuse: true})
		if other, err := net.DialTimeout("tcp", p.Addr(), patience); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("%v, %v; want a refusal", other, err)
		}
		said(t, c, "an old connection goes on")
		remove(t, p)
		said(t, dial(t, p.Addr()), "after")
	}
}

func TestResetAndSilentShares(t *testing.T) {
	p := proxy(t, serve(t, echo))
	set(t, p, fault.Toxics{Reset: 0.3, Silent: 0.3})
	const n = 200
	for range n {
		c, err := net.DialTimeout("tcp", p.Addr(), patience)
		switch {
		case err == nil:
			defer c.Close()
		case !errors.Is(err, syscall.ECONNRESET): // which may come before the dial has returned
			t.Fatal(err)
		}
	}
	for began := time.Now(); p.Stats().Accepted < n; { // the kernel accepts first
		if time.Since(began) > patience {
			t.Fatalf("stats %+v", p.Stats())
		}
		time.Sleep(time.Millisecond)
	}
	s := p.Stats()
	if s.Reset < 30 || s.Reset > 90 || s.Silent < 30 || s.Silent > 90 || s.Open != n-s.Reset {
		t.Errorf("of 200: %d reset and %d silent, %d open; want about 60 each", s.Reset, s.Silent, s.Open)
	}
	if proof := remove(t, p); int64(proof.Reset) != s.Silent {
		t.Errorf("%d silent connections, %d reset at the end", s.Silent, proof.Reset)
	}
}

func TestSilent(t *testing.T) {
	var reached atomic.Int64
	p := proxy(t, serve(t, func(c *net.TCPConn) {
		reached.Add(1)
		echo(c)
	}))
	set(t, p, fault.Toxics{Silent: 1})
	c := dial(t, p.Addr())
	if _, err := io.WriteString(c, "anybody?"); err != nil {
		t.Fatal(err)
	}
	silent(t, c)
	if reached.Load() != 0 {
		t.Error("the target was reached")
	}
	remove(t, p)
	broken(t, c)
}

func TestBlackhole(t *testing.T) {
	p := proxy(t, serve(t, echo))
	lost, idle := dial(t, p.Addr()), dial(t, p.Addr())
	said(t, lost, "before")
	said(t, idle, "before")
	set(t, p, fault.Toxics{Blackhole: true})
	for range 3 {
		if _, err := io.WriteString(lost, "gone"); err != nil {
			t.Fatal(err)
		}
	}
	silent(t, lost)
	ended := dial(t, p.Addr())
	_ = ended.CloseWrite()
	silent(t, ended) // its end is not heard of either
	if proof := remove(t, p); proof.Reset != 2 {
		t.Errorf("proof %+v: want both connections that lost something reset", proof)
	}
	broken(t, lost)
	broken(t, ended)
	said(t, idle, "one that lost nothing goes on")
}

func TestStallLosesNothing(t *testing.T) {
	p := proxy(t, serve(t, echo))
	c := dial(t, p.Addr())
	said(t, c, "before")
	set(t, p, fault.Toxics{Down: fault.Stream{Stall: true}})
	if _, err := io.WriteString(c, "held"); err != nil {
		t.Fatal(err)
	}
	silent(t, c)
	remove(t, p)
	got := make([]byte, 4)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "held" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestResetAfter(t *testing.T) {
	p := proxy(t, serve(t, echo))
	set(t, p, fault.Toxics{Down: fault.Stream{ResetAfter: 5}})
	c := dial(t, p.Addr())
	said(t, c, "four")
	if _, err := io.WriteString(c, "more"); err != nil {
		t.Fatal(err)
	}
	broken(t, c)
	remove(t, p)
	said(t, dial(t, p.Addr()), "longer than five")
}

func TestSlowClose(t *testing.T) {
	p := proxy(t, serve(t, func(c *net.TCPConn) { _, _ = io.WriteString(c, "bye") }))
	set(t, p, fault.Toxics{SlowClose: 150 * time.Millisecond})
	c := dial(t, p.Addr())
	if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := io.ReadAll(c); err != nil || time.Since(began) < 100*time.Millisecond {
		t.Errorf("the end came %s after the last byte, %v; want 150 ms", time.Since(began), err)
	}
}

func TestTargetsOwnEndsPass(t *testing.T) {
	rude := proxy(t, serve(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		_ = c.SetLinger(0) // a reset
	}))
	c := dial(t, rude.Addr())
	_, _ = io.WriteString(c, "x")
	broken(t, c)

	nobody := proxy(t, "127.0.0.1:1")
	if c, err := net.DialTimeout("tcp", nobody.Addr(), patience); err == nil {
		broken(t, c)
		_ = c.Close()
	} else if !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	if s := nobody.Stats(); s.Unreached != 1 {
		t.Errorf("stats %+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if proof, err := nobody.Remove(ctx); err == nil || !strings.Contains(err.Error(), "not clean") {
		t.Errorf("a dead target proved a clean way: %+v, %v", proof, err)
	}
}

// A target that died is a refusal, as it would be without the proxy; one that came back
// is reached again.
func TestTargetAway(t *testing.T) {
	target := proxy(t, serve(t, echo)) // one that can stop listening and keep its port
	p := proxy(t, target.Addr())
	said(t, dial(t, p.Addr()), "before")
	set(t, target, fault.Toxics{Refuse: true})
	until := func(what string, want func(c net.Conn, err error) bool) {
		for began := time.Now(); ; {
			c, err := net.DialTimeout("tcp", p.Addr(), patience)
			found := want(c, err)
			if err == nil {
				_ = c.Close()
			}
			if found {
				return
			}
			if time.Since(began) > patience {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	until("refused", func(_ net.Conn, err error) bool { return errors.Is(err, syscall.ECONNREFUSED) })
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s, began := p.Stats(), time.Now(); s.Unreached+1 < s.Accepted; s = p.Stats() { // who was let in before it refused
		if <-tick.C; time.Since(began) > patience {
			t.Fatalf("%+v", s)
		}
	}
	unreached := p.Stats().Unreached
	for range 20 {
		if c, err := net.DialTimeout("tcp", p.Addr(), patience); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("%v, %v; want a refusal", c, err)
		}
	}
	if s := p.Stats(); s.Unreached != unreached {
		t.Errorf("%+v", s)
	}
	remove(t, target)
	until("back", func(_ net.Conn, err error) bool { return err == nil })
	said(t, dial(t, p.Addr()), "after")
}

func TestRefusesNonsense(t *testing.T) {
	p := proxy(t, serve(t, echo))
	for want, toxics := range map[string]fault.Toxics{
		`"reset" is 1.5`:           {Reset: 1.5},
		`"silent" is -1`:           {Silent: -1},
		"together at most 1":       {Reset: 0.6, Silent: 0.6},
		`"up.latency" is -1s`:      {Up: fault.Stream{Latency: -time.Second}},
		`"slow-close" is 2h`:       {SlowClose: 2 * time.Hour},
		`"down.bandwidth" is -1`:   {Down: fault.Stream{Bandwidth: -1}},
		`"down.reset-after" is -1`: {Down: fault.Stream{ResetAfter: -1}},
	} {
		if err := p.Set(toxics); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", toxics, err, want)
		}
	}
	for _, cfg := range []fault.ProxyConfig{{}, {Target: "nowhere"}, {Target: "127.0.0.1:1", Listen: "127.0.0.1"}, {Target: "127.0.0.1:1", Listen: ":0"}} {
		if _, err := fault.NewProxy(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Set(fault.Toxics{}); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a closed proxy took toxics: %v", err)
	}
}

// Toxics change while connections come and go; nobody may hang or race.
func TestChangesUnderTraffic(t *testing.T) {
	p := proxy(t, serve(t, echo))
	ctx, cancel := context.WithCancel(t.Context())
	var talking sync.WaitGroup
	var rounds atomic.Int64
	for range 8 {
		talking.Go(func() {
			for ctx.Err() == nil {
				c, err := net.DialTimeout("tcp", p.Addr(), patience)
				if err != nil {
					continue
				}
				_ = c.SetDeadline(time.Now().Add(20 * time.Millisecond))
				_, _ = io.WriteString(c, "hello")
				_, _ = io.ReadFull(c, make([]byte, 5))
				_ = c.Close()
				rounds.Add(1)
			}
		})
	}
	for i, toxics := range []fault.Toxics{
		{Refuse: true},
		{Reset: 0.5},
		{Silent: 1},
		{Blackhole: true},
		{Down: fault.Stream{Stall: true}},
		fault.Delay(5*time.Millisecond, 5*time.Millisecond),
		{Up: fault.Stream{Bandwidth: 100}},
		{Up: fault.Stream{ResetAfter: 3}},
	} {
		if toxics.Clean() || toxics.String() == "clean" || (fault.Toxics{}).String() != "clean" {
			t.Errorf("%d is called %s", i, toxics)
		}
		set(t, p, toxics)
		for from := rounds.Load(); !toxics.Refuse && rounds.Load() < from+20; {
			time.Sleep(time.Millisecond)
		}
		remove(t, p)
	}
	cancel()
	talking.Wait()
	said(t, dial(t, p.Addr()), "still there")
}
