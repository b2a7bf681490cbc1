// Command reverse is net/http's own proxy, tuned: what a Go program is that does no more
// than httputil.ReverseProxy. It is measured beside the edge.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

// buffers lends those by which bodies are copied.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if one, ok := b.pool.Get().(*[]byte); ok {
		return *one
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(one []byte) { b.pool.Put(&one) }

func main() {
	listen := flag.String("listen", "", "host:port of the traffic")
	upstream := flag.String("upstream", "", "URL that requests are passed on to")
	cert := flag.String("cert", "", "certificate; none: no TLS")
	key := flag.String("key", "", "its key")
	flag.Parse()
	to, err := url.Parse(*upstream)
	if err != nil {
		log.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		Transport:  &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Hour, DisableCompression: true},
		BufferPool: &buffers{},
		ErrorLog:   log.New(io.Discard, "", 0),
	}
	server := &http.Server{Addr: *listen, Handler: proxy, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Hour}
	if *cert != "" {
		err = server.ListenAndServeTLS(*cert, *key)
	} else {
		err = server.ListenAndServe()
	}
	log.Print(err)
	os.Exit(1)
}
