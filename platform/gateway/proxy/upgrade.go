package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/header"
	"github.com/musterdev/muster/problem"
)

// switchProtocols passes 101 on and then bytes, both ways, until both are done.
func (t *transit) switchProtocols(ctx context.Context, res *http.Response) error {
	if !header.Among(t.switches, header.Upgrades(res.Header)) {
		return problem.New(problem.Unknown, "service %q switched to another protocol than the request asks for", t.Target.Service)
	}
	instance, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		return problem.New(problem.Unknown, "the connection to service %q cannot be written to after it switched protocols", t.Target.Service)
	}
	conn, buffered, err := t.control.Hijack()
	if err != nil {
		return problem.Wrap(err, problem.Internal, "the edge cannot switch protocols on this connection")
	}
	t.written, t.out.wrote, t.Status = true, true, res.StatusCode
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _, _ = conn.Close(), instance.Close() })
	defer stop()

	if err := t.writeSwitch(buffered.Writer, res); err != nil {
		t.Err = problem.Wrap(err, problem.Canceled, "the client went away before the answer")
		return nil
	}
	// What came with the request's header is in the buffer. The rest is read from the
	// connection itself: net/http's reader takes a half-close for the client's end.
	early, err := buffered.Peek(buffered.Reader.Buffered())
	if err != nil {
		return problem.Wrap(err, problem.Internal, "what followed the request cannot be read")
	}
	t.exchange(conn, io.MultiReader(bytes.NewReader(early), conn), instance)
	return nil
}

// writeSwitch writes the answer 101, which net/http leaves to us.
func (t *transit) writeSwitch(w *bufio.Writer, res *http.Response) error {
	h := make(http.Header, len(res.Header)+3)
	inbound(h, res.Header)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, res.Header["Upgrade"]
	h[observe.RequestIDHeader] = []string{t.Request.ID}
	t.gateway.Answer(&t.Exchange, res.StatusCode, filter.NetHTTP(h))
	_, err := w.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	return errors.Join(err, h.Write(w), writeFlush(w))
}

func writeFlush(w *bufio.Writer) error {
	_, err := w.WriteString("\r\n")
	return errors.Join(err, w.Flush())
}

// exchange copies both ways. A side that has nothing more to say ends its direction
// only, where the other side's connection can be told so; else both end.
func (t *transit) exchange(client net.Conn, fromClient io.Reader, instance io.ReadWriteCloser) {
	done := make(chan bool, 2) // whether the other direction may go on
	go func() {
		_, err := io.Copy(instance, fromClient)
		done <- err == nil && closeWrite(instance)
	}()
	go func() {
		n, err := io.Copy(client, instance)
		t.Bytes = n
		done <- err == nil && closeWrite(client)
	}()
	if goesOn := <-done; !goesOn {
		_, _ = client.Close(), instance.Close() // what the other direction fails by
	}
	<-done
}

func closeWrite(c any) bool {
	half, ok := c.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}
