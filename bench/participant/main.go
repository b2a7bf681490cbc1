// Command participant says yes to every request, in a process of its own: what sagas ask in benchmarks. It prints its URL, and ends
// with its input.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	yes := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) } // to DTM any other status is an error, 204 too
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(yes)}
	go func() { _ = server.Serve(l) }() // until it ends with the process
	fmt.Println("http://" + l.Addr().String())
	_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end too
}
