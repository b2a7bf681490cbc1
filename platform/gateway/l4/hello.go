package l4

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
)

// maxHello bounds the bytes that are read to find the name: several times what clients
// send, whose first message has grown to some 2 KiB with post-quantum key shares.
const maxHello = 32 << 10

// hello is how a client began.
type hello struct {
	read []byte // all that was read, to be passed on
	name string // what a TLS client asks for, in lower case; "" none
	tls  bool
}

// errEnough ends a handshake that was begun to read its first message only.
var errEnough = errors.New("the name is known")

// errHello is what a client's first message is that is TLS and cannot be read.
var errHello = errors.New("the first message is no ClientHello that can be read")

// readHello reads as much of a connection as it takes to know the name that a TLS client
// asks for. The parser is crypto/tls's own: a server's handshake, on a connection that
// keeps what is read and is written to in vain, stopped as soon as it has the message.
func readHello(c net.Conn) (hello, error) {
	r := &recorder{Conn: c}
	h := hello{}
	err := tls.Server(r, &tls.Config{
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			h.tls, h.name = true, strings.ToLower(info.ServerName)
			return nil, errEnough
		},
	}).HandshakeContext(context.Background()) // the connection's deadline ends it
	h.read = r.read
	switch {
	case h.tls, errors.Is(err, errNotTLS):
		return h, nil
	case r.err != nil:
		return h, r.err
	}
	return h, errHello
}

// errNotTLS ends the reading of what has not begun as TLS does.
var errNotTLS = errors.New("not TLS")

// recorder is a connection that keeps what is read of it.
type recorder struct {
	net.Conn

	read []byte
	err  error // of reading
}

// handshake is the first byte of a TLS record that holds a handshake message (RFC 8446, 5.1).
const handshake = 22

// Read implements net.Conn.
func (r *recorder) Read(p []byte) (int, error) {
	room := maxHello - len(r.read)
	if room <= 0 {
		return 0, errHello
	}
	n, err := r.Conn.Read(p[:min(len(p), room)])
	r.read = append(r.read, p[:n]...)
	if len(r.read) > 0 && r.read[0] != handshake {
		return 0, errNotTLS
	}
	if err != nil {
		r.err = err
	}
	return n, err
}

// Write implements net.Conn: the client is not to see an alert of this handshake.
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }

// Close implements net.Conn.
func (r *recorder) Close() error { return nil }

// unrecognizedName is the fatal alert that says that nobody here has the name (RFC 6066,
// 3; RFC 8446, 6): record type 21, version 3.3, two bytes: fatal, 112.
func unrecognizedName() []byte { return []byte{21, 3, 3, 0, 2, 2, 112} }
