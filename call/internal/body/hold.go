package body

import (
	"errors"
	"fmt"
	"io"
)

// Held is an answer's body that ends something when it is closed or read to its end.
type Held struct {
	io.ReadCloser

	of interface{ Done() } // may be told more than once
}

// Hold returns body so that of is told when it has ended; h is a Held to be used for it.
// What an upgraded connection can do beside (writing and half-closing, after 101) stays
// possible.
func Hold(h *Held, body io.ReadCloser, of interface{ Done() }) io.ReadCloser {
	*h = Held{body, of}
	if rw, ok := body.(io.ReadWriteCloser); ok {
		return &heldWriter{Held: h, Writer: rw}
	}
	return h
}

// Read reads on.
func (h *Held) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	if err != nil {
		h.of.Done()
	}
	return n, err
}

// Close closes the body.
func (h *Held) Close() error {
	defer h.of.Done()
	return h.ReadCloser.Close()
}

type heldWriter struct {
	*Held
	io.Writer
}

// Read does not end the attempt at the end of what the peer says: the other
// direction may go on.
func (h *heldWriter) Read(p []byte) (int, error) { return h.ReadCloser.Read(p) }

// CloseWrite ends the sending direction; the other goes on.
func (h *heldWriter) CloseWrite() error {
	if c, ok := h.ReadCloser.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return fmt.Errorf("half-close: %w", errors.ErrUnsupported)
}

// Then returns body so that f is called, once or more, when it has ended.
func Then(body io.ReadCloser, f func()) io.ReadCloser { return Hold(&Held{}, body, done(f)) }

type done func()

// Done calls the function.
func (f done) Done() { f() }
