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

// Ports that come and go: a connection outlives the port at which it came.
func ExamplePorts() {
	fleet := discovery.Fixed(map[string][]discovery.Instance{"db": {{ID: "db-1", Endpoints: map[string]string{l4.Endpoint: "127.0.0.1:6379"}}}})
	ports := l4.NewPorts(l4.Config{Resolver: fleet})
	defer func() { _ = ports.Shutdown(context.Background()) }()

	err := ports.Set(context.Background(), map[string]l4.Routes{"127.0.0.1:0": {Default: l4.Target{Service: "db"}}})
	fmt.Println(err, len(ports.List()))
	err = ports.Set(context.Background(), nil) // none any more
	fmt.Println(err)
	err = ports.Set(context.Background(), map[string]l4.Routes{"127.0.0.1:0": {Default: l4.Target{Service: "DB"}}})
	fmt.Println(err)
	// Output:
	// <nil> 1
	// <nil>
	// invalid_argument: tcp: 127.0.0.1:0: the routes of connections are not valid (default.service: "DB" is not the name of a service: a-z, 0-9 and '-', at most 63, beginning with a letter)
}
