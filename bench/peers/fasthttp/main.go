// Command fasthttp is a proxy of fasthttp's server and its client of one host: the
// fastest that is there ready-made for Go. It is measured beside the edge.
package main

import (
	"flag"
	"log"
	"time"

	"github.com/valyala/fasthttp"
)

func main() {
	listen := flag.String("listen", "", "host:port of the traffic")
	upstream := flag.String("upstream", "", "host:port that requests are passed on to")
	cert := flag.String("cert", "", "certificate; none: no TLS")
	key := flag.String("key", "", "its key")
	flag.Parse()
	scheme := "http"
	if *cert != "" {
		scheme = "https"
	}
	client := &fasthttp.HostClient{
		Addr: *upstream, MaxConns: 16384, MaxIdleConnDuration: time.Hour, NoDefaultUserAgentHeader: true,
		DisableHeaderNamesNormalizing: true, DisablePathNormalizing: true,
	}
	server := &fasthttp.Server{
		NoDefaultServerHeader: true, NoDefaultDate: true, IdleTimeout: time.Hour, Concurrency: 1 << 16,
		DisableHeaderNamesNormalizing: true,
		Handler: func(ctx *fasthttp.RequestCtx) {
			req, res := &ctx.Request, &ctx.Response
			host := string(req.Header.Host())
			req.URI().SetScheme("http") // else the client takes it for another server's
			req.Header.Del("Connection")
			req.Header.Set("X-Forwarded-For", ctx.RemoteIP().String())
			req.Header.Set("X-Forwarded-Proto", scheme)
			req.Header.Set("X-Forwarded-Host", host)
			if err := client.Do(req, res); err != nil {
				ctx.Error("no answer", fasthttp.StatusBadGateway)
				return
			}
			res.Header.Del("Connection")
		},
	}
	if *cert != "" {
		log.Fatal(server.ListenAndServeTLS(*listen, *cert, *key))
	}
	log.Fatal(server.ListenAndServe(*listen))
}
