package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/gateway/mirror"
)

const (
	// maxRepeat is how large a body may be to be kept for another attempt, in bytes.
	maxRepeat = 64 << 10
	// askPatience is how long a client that asked whether its body is wanted waits for an
	// instance that does not say: some know nothing of being asked.
	askPatience = time.Second
)

// clientBody is the body the client sends, as the calls' transport sees it.
type clientBody struct {
	body    io.Reader
	silence *silence
	copied  *mirror.Copy
	wanted  chan struct{} // closed once it may be read; nil: at once

	mu     sync.Mutex
	closed bool
	err    error // why it cannot be read on, the end left out
}

// errClosed is what a transport gets that reads on after the answer.
var errClosed = errors.New("the request is over")

func (b *clientBody) Read(p []byte) (int, error) {
	b.untilWanted()
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return 0, errClosed
	}
	n, err := b.body.Read(p)
	b.copied.Read(p[:n], err)
	if err != nil && !errors.Is(err, io.EOF) {
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
	}
	b.silence.heard()
	return n, err
}

// untilWanted waits until the body is asked for, or nobody can tell.
func (b *clientBody) untilWanted() {
	if b.wanted == nil {
		return
	}
	select {
	case <-b.wanted:
		return
	default:
	}
	timer := time.NewTimer(askPatience)
	defer timer.Stop()
	select {
	case <-b.wanted:
	case <-timer.C:
	}
}

// want lets the body be read: the instance asked for it, or its answer has begun. From then
// on a client that waits sends it or goes away, and whoever reads notices either. Calling it
// again does nothing; t.mu is held.
func (b *clientBody) want() {
	if b == nil || b.wanted == nil {
		return
	}
	select {
	case <-b.wanted:
	default:
		close(b.wanted)
	}
}

// Close does nothing. Closing net/http's body reads it to its end, which may be long
// in coming; net/http itself does so when the handler has returned.
func (b *clientBody) Close() error { return nil }

// close ends reading for a transport that outlives the request.
func (b *clientBody) close() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// failed returns why the client's body could not be read, nil when it could.
func (b *clientBody) failed() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// setBody gives out the body of the request. That of a call that may be repeated is
// kept for it, if it is small and its length is known; others stream through.
func (t *transit) setBody(out *http.Request, repeat bool, s *silence) error {
	r := t.in
	out.GetBody = nil
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		out.Body = nil
		out.Header.Del("Expect")
		return nil
	}
	if r.ProtoMajor == 1 {
		// An instance may answer before it has read all. Without this net/http would
		// swallow what is left; HTTP/2 never does.
		_ = t.control.EnableFullDuplex() // a ResponseWriter that cannot goes on as it does
	}
	t.body = &clientBody{body: r.Body, silence: s, copied: t.copied}
	out.Body = t.body
	asks := t.expects(out.Header)
	if !repeat || r.ContentLength < 0 || r.ContentLength > maxRepeat || asks {
		return nil
	}
	kept := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(t.body, kept); err != nil {
		return t.clientFault(err)
	}
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(kept)), nil }
	out.Body, _ = out.GetBody() // it cannot fail
	return nil
}

// expects reports whether the client waits to be told that its body is wanted, and has the
// instance asked. net/http does not do that for us: it gives the body up for good when the
// answer begins before it was asked for, as that of a stream of both sides does. It knows
// the field by its usual spelling only, so it is sent in small letters.
func (t *transit) expects(out http.Header) bool {
	asked := out["Expect"]
	delete(out, "Expect")
	if len(asked) == 0 || !t.in.ProtoAtLeast(1, 1) { // RFC 9110, 10.1.1
		return false
	}
	out["expect"] = asked
	t.body.wanted = make(chan struct{})
	return true
}
