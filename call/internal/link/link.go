// Package link sends HTTP requests to the instances of one service, and knows of each how
// far it got.
package link

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// HTTP holds the connections to one endpoint of the instances of one service.
type HTTP struct {
	*http.Transport

	Scheme string // of the URLs that are asked for
	Waits  *Waits // nil where connections are not bounded
}

// New returns one without connections. secure is nil for connections in the clear; h2
// speaks HTTP/2, without TLS too. An instance gets no more than most connections; 0: as
// many as it takes.
func New(dial func(ctx context.Context, addr string) (net.Conn, error), secure *tls.Config, h2 bool, most int) *HTTP {
	t := &http.Transport{
		DialContext:         func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, addr) },
		TLSClientConfig:     secure,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     60 * time.Second,
		TLSHandshakeTimeout: 5 * time.Second,

		MaxResponseHeaderBytes: 1 << 20,
		// a peer that vanished without a word is found out
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		// who sends Expect: 100-continue does so not to send a body in vain
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // a body is passed on as it is; who wants gzip asks for it
		Protocols:             &http.Protocols{},
	}
	if h2 {
		t.Protocols.SetUnencryptedHTTP2(true)
		t.Protocols.SetHTTP2(true)
	} else {
		t.Protocols.SetHTTP1(true)
		t.MaxConnsPerHost = most
	}
	h := &HTTP{Transport: t, Scheme: "http"}
	if secure != nil {
		h.Scheme = "https"
	}
	if most > 0 && !h2 {
		h.Waits = &Waits{}
	}
	return h
}
