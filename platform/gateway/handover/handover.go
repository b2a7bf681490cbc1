// Package handover gives listeners to another process while both serve them, so that a new
// binary takes an old one's place and no client notices.
//
// It is spoken over a Unix socket, of one user only. The one who asks, the new process, gets
// every listener with its name; both accept connections then. It says when it serves; the
// old one says that it accepts no more, and lets what it has come to its end. Until it has
// been told, the old one goes on as if nobody had asked, so that a new one that fails to
// start does no harm.
package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Protocol is what the connection is upgraded to, and Path where that is asked for.
const (
	Protocol = "muster-handover/1"
	Path     = "/v1/handover"
)

// StartWithin bounds how long a new process may take from getting the listeners to serving
// them. Until then the old one takes no orders.
const StartWithin = time.Minute

// Words are one byte each.
const (
	serving = 'S' // from the new process: connections are served
	leaving = 'L' // from the old one: no more are accepted here
)

// ErrUnsupported is returned where processes cannot give each other listeners.
var ErrUnsupported = errors.New("listeners cannot be handed over on this system")

// Named is a listener with the name by which the next process knows it.
type Named struct {
	Name     string // 1 to 255 bytes
	Listener net.Listener
}

// Answer is the old process's part: it hands a hijacked connection's other end the
// listeners, and returns nil once that one serves. On an error nothing has changed: the
// caller goes on as before. The connection stays open for [Left].
func Answer(c net.Conn, list []Named) error {
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("%T is no Unix connection: listeners are handed over by a Unix socket only", c)
	}
	if err := sameUser(conn); err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(StartWithin)); err != nil {
		return err
	}
	if err := give(conn, list); err != nil {
		return fmt.Errorf("hand the listeners over: %w", err)
	}
	if err := hear(conn, serving); err != nil {
		return fmt.Errorf("the new process got the listeners and did not come to serve them: %w", err)
	}
	if gone(conn) {
		return errors.New("the new process said that it serves, and ended or gave up since")
	}
	return conn.SetReadDeadline(time.Time{})
}

// gone reports whether the other side has closed the connection. Its word may be old: this
// process may have been stopped when it came.
func gone(c net.Conn) bool {
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		return true
	}
	_, err := c.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded) // it has nothing more to say
}

// hear reads a word, and demands that it is this one.
func hear(c net.Conn, want byte) error {
	var word [1]byte
	if _, err := io.ReadFull(c, word[:]); err != nil {
		return err
	}
	if word[0] != want {
		return fmt.Errorf("it said %q", word[0])
	}
	return nil
}

// Left tells the new process that no more is accepted here, and closes the connection.
func Left(c net.Conn) error {
	_, err := c.Write([]byte{leaving})
	return errors.Join(err, c.Close())
}

// Taken is what a new process got.
type Taken struct {
	conn *net.UnixConn
	list map[string]net.Listener
}

// Take asks the process at a Unix socket for its listeners. drain is how long that one may
// let what it has come to its end. Close what is not used, see [Taken.Rest].
func Take(ctx context.Context, socket string, drain time.Duration) (*Taken, error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("there is nobody to take over from: %w", err)
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(ErrUnsupported, c.Close())
	}
	t := &Taken{conn: conn, list: map[string]net.Listener{}}
	if err := t.ask(drain); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *Taken) ask(drain time.Duration) error {
	if err := t.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.conn, "POST %s?%s HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: %s\r\nContent-Length: 0\r\n\r\n",
		Path, url.Values{"drain": {drain.String()}}.Encode(), Protocol)
	if err != nil {
		return err
	}
	head, err := readHead(t.conn)
	if err != nil {
		return fmt.Errorf("the process that serves now did not answer: %w", err)
	}
	if line, _, _ := strings.Cut(head, "\r\n"); !strings.HasPrefix(line, "HTTP/1.1 101 ") {
		return fmt.Errorf("the process that serves now does not hand over: it answered %.100q", line)
	}
	if t.list, err = take(t.conn); err != nil {
		return fmt.Errorf("take the listeners over: %w", err)
	}
	return t.conn.SetDeadline(time.Time{})
}

// readHead reads an answer's head and not a byte more: what follows carries the listeners.
func readHead(r io.Reader) (string, error) {
	var head []byte
	for b := make([]byte, 1); len(head) < 16<<10; {
		if _, err := io.ReadFull(r, b); err != nil {
			return string(head), err
		}
		if head = append(head, b[0]); strings.HasSuffix(string(head[max(0, len(head)-4):]), "\r\n\r\n") {
			return string(head), nil
		}
	}
	return "", errors.New("its answer has no end")
}

// Listener returns the listener of a name, which is the caller's from now on; nil: there is
// none, or it was returned before.
func (t *Taken) Listener(name string) net.Listener {
	if t == nil {
		return nil
	}
	l := t.list[name]
	delete(t.list, name)
	return l
}

// Serving tells the old process that its connections are served, and returns once it
// accepts no more, or has ended. The listeners that were not asked for are closed.
func (t *Taken) Serving() error {
	if err := t.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := t.conn.Write([]byte{serving}); err != nil {
		return errors.Join(fmt.Errorf("tell the process that served until now: %w", err), t.Close())
	}
	// one that ended accepts no more either
	if err := hear(t.conn, leaving); err != nil && !errors.Is(err, io.EOF) {
		return errors.Join(fmt.Errorf("the process that served until now does not leave: %w", err), t.Close())
	}
	return t.Close()
}

// Close gives up: the old process goes on. After Serving it does nothing.
func (t *Taken) Close() error {
	for name, l := range t.list {
		_ = l.Close() // the old process has it too
		delete(t.list, name)
	}
	if err := t.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Asked reports whether a request to a process asks for its listeners, and for how long it
// may drain after.
func Asked(r *http.Request) (drain time.Duration, err error) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), Protocol) {
		return 0, fmt.Errorf("this is for programs: it must be an upgrade to %s", Protocol)
	}
	if drain, err = time.ParseDuration(r.URL.Query().Get("drain")); err != nil || drain < 0 {
		return 0, errors.New("drain must be a duration, such as 10m")
	}
	return drain, nil
}

// Accept takes the connection of such a request from net/http and says yes.
func Accept(w http.ResponseWriter) (net.Conn, error) {
	c, _, err := http.NewResponseController(w).Hijack() // the other side waits: nothing is buffered
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+Protocol+"\r\n\r\n"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
