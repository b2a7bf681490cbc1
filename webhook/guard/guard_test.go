package guard_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/musterdev/muster/webhook/guard"
)

func TestCheck(t *testing.T) {
	public := "1.1.1.1 8.8.8.8 93.184.216.34 172.32.0.1 100.128.0.1 2606:4700::1111 2a00:1450::1 ::ffff:8.8.8.8"
	inside := "0.0.0.0 0.1.2.3 10.1.2.3 100.64.0.1 127.0.0.1 127.8.8.8 169.254.169.254 168.63.129.16 172.16.0.1 172.31.255.255 192.168.1.1 192.0.0.8 198.19.0.1 224.0.0.1 255.255.255.255 " +
		":: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::7f00:1 64:ff9b::7f00:1 2002:7f00:1:: 2001::1 fc00::1 fd12::1 fe80::1 fe80::1%lo ff02::1"
	var g guard.Guard
	for a := range strings.FieldsSeq(public) {
		if err := g.Check(netip.MustParseAddr(a)); err != nil {
			t.Error(err)
		}
	}
	for a := range strings.FieldsSeq(inside) {
		if err := g.Check(netip.MustParseAddr(a)); !errors.Is(err, guard.ErrRefused) {
			t.Errorf("%s: %v", a, err)
		}
	}
	if err := g.Check(netip.Addr{}); !errors.Is(err, guard.ErrRefused) {
		t.Errorf("no address: %v", err)
	}
	g.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if err := g.Check(netip.MustParseAddr("::ffff:127.0.0.1")); err != nil {
		t.Error(err)
	}
	if err := g.Check(netip.MustParseAddr("10.0.0.1")); err == nil {
		t.Error("more is allowed than was said")
	}
}

func TestDialsNothingInside(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	c := &http.Client{Transport: &http.Transport{DialContext: guard.Guard{}.DialContext}}
	for _, url := range []string{s.URL, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)} {
		res, err := c.Get(url)
		if err == nil {
			_ = res.Body.Close()
		}
		if !errors.Is(err, guard.ErrRefused) {
			t.Errorf("%s: %v", url, err)
		}
	}
	if asked.Load() > 0 {
		t.Error("it was asked")
	}
}

// A name that was an allowed address when it was looked up first, and is one of the inside
// when it is dialed again, leads nowhere.
func TestANameThatMoves(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer s.Close()
	var to atomic.Pointer[[4]byte]
	to.Store(&[4]byte{127, 0, 0, 1})
	g := guard.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Resolver: &net.Resolver{PreferGo: true, Dial: nameServer(t, &to)}}
	c := &http.Client{Transport: &http.Transport{DialContext: g.DialContext, DisableKeepAlives: true}}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	url := "http://partner.example.:" + port
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	to.Store(&[4]byte{10, 0, 0, 7})
	if _, err := c.Get(url); !errors.Is(err, guard.ErrRefused) || !strings.Contains(err.Error(), "10.0.0.7 is of 10.0.0.0/8") {
		t.Errorf("%v", err)
	}
}

// nameServer answers every question with the one address, and returns how to dial it.
func nameServer(t *testing.T, to *atomic.Pointer[[4]byte]) func(ctx context.Context, network, address string) (net.Conn, error) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		for {
			buf := make([]byte, 512)
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type}, Body: &dnsmessage.AResource{A: *to.Load()}}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}
}
