package grammar_test

import (
	"errors"
	"fmt"

	"github.com/musterdev/muster/platform/gateway/http1/grammar"
)

func ExampleRequest_Parse() {
	var r grammar.Request
	conversation := []byte("POST /v1/orders?x=1 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\nHost : a\r\n\r\n")
	n, err := r.Parse(conversation[:40])
	fmt.Println(n, err)
	n, err = r.Parse(conversation)
	fmt.Printf("%d %v: %s %s, %d fields, a body of %d\n", n, err, r.Method, r.Path, len(r.Fields), r.Length)
	_, err = r.Parse(conversation[n+2:])
	var fault *grammar.Fault
	fmt.Println(errors.As(err, &fault), fault.Status, fault)
	// Output:
	// 0 <nil>
	// 71 <nil>: POST /v1/orders, 2 fields, a body of 2
	// true 400 there is white space before the colon of a field
}

func ExampleResponse_Parse() {
	var r grammar.Response
	n, err := r.Parse([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "GET")
	fmt.Println(n, err, r.Status, r.Length == grammar.Chunked)
	// Output: 47 <nil> 200 true
}

func ExampleChunks_Pass() {
	var c grammar.Chunks
	body := []byte("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\nnext")
	pass, used, err := c.Pass(body)
	fmt.Printf("%q %q %v %v %d\n", body[:pass], body[used:], c.Ended(), err, len(c.Trailers))
	// Output: "5\r\nhello\r\n" "next" true <nil> 1
}
