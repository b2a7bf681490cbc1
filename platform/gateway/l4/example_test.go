package l4_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/l4"
)

// A listener for the connections to one service.
func Example() {
	db, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	go func() {
		if c, err := db.Accept(); err == nil {
			_, _ = io.WriteString(c, "hello from the database")
			_ = c.Close()
		}
	}()

	proxy, err := l4.New(l4.Config{
		Resolver: discovery.Fixed(map[string][]discovery.Instance{"db": {{ID: "db-1", Endpoints: map[string]string{l4.Endpoint: db.Addr().String()}}}}),
		Routes:   l4.Routes{Default: l4.Target{Service: "db"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = proxy.Serve(listener) }()
	defer func() { _ = proxy.Shutdown(context.Background()) }()

	c, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	said, _ := io.ReadAll(c)
	_ = c.Close()
	fmt.Printf("%s\n", said)
	// Output: hello from the database
}
