package upstream_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/musterdev/muster/platform/gateway/http1/upstream"
)

func Example() {
	instance := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello from "+r.URL.Path)
	}))
	defer instance.Close()
	pool := upstream.New(upstream.Config{})
	defer pool.Close()

	for range 2 {
		c, err := pool.Get(context.Background(), instance.Listener.Addr().String())
		if err != nil {
			fmt.Println(err)
			return
		}
		if err = c.Send([]byte("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"), true); err == nil {
			err = c.Answer("GET")
		}
		if err != nil {
			c.Close()
			fmt.Println(err)
			return
		}
		body, err := c.Next(false)
		fmt.Println(c.Head.Status, string(body), err, "used again:", c.Reused())
		c.Release()
	}
	// Output:
	// 200 hello from /a <nil> used again: false
	// 200 hello from /a <nil> used again: true
}
