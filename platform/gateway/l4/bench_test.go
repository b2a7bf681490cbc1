package l4_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/l4"
)

// What a proxy costs beside a connection straight to the instance: bulk and a byte there
// and back.
func BenchmarkPass(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	p, err := l4.New(l4.Config{
		Resolver: discovery.Fixed(map[string][]discovery.Instance{"db": {{Endpoints: map[string]string{l4.Endpoint: l.Addr().String()}, ID: "db"}}}),
		Routes:   l4.Routes{Default: l4.Target{Service: "db"}},
	})
	if err != nil {
		b.Fatal(err)
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = p.Serve(front) }()
	for name, addr := range map[string]string{"direct": l.Addr().String(), "proxy": front.Addr().String()} {
		for size, label := range map[int]string{1: "there and back", 1 << 20: "bulk"} {
			b.Run(label+"/"+name, func(b *testing.B) {
				c, err := net.DialTimeout("tcp", addr, time.Second)
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				out, in := make([]byte, size), make([]byte, size)
				b.SetBytes(int64(2 * size))
				b.ReportAllocs()
				for b.Loop() {
					go func() { _, _ = c.Write(out) }()
					if _, err := io.ReadFull(c, in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
