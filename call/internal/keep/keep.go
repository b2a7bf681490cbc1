// Package keep passes a good answer on to its caller, and keeps a copy to give again.
package keep

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/musterdev/muster/call/internal/body"
	"github.com/musterdev/muster/call/internal/pool"
	"github.com/musterdev/muster/problem"
)

// Most is the largest body that is kept, in bytes.
const Most = 1 << 20

// lastWord is how long the end of a body is waited for that its reader closes before: who
// reads one value of JSON does not read on to the end that follows it at once.
const lastWord = 20 * time.Millisecond

// Answer is a good answer on its way to the caller.
type Answer struct {
	Service string
	Request *http.Request      // that it is the answer to
	In      *pool.Fallback     // which may keep a copy
	Cancel  context.CancelFunc // ends the request

	io.ReadCloser
	header  http.Header
	reading sync.Mutex
	read    []byte
	over    bool // nothing is kept any more
}

// Take has the answer reach the caller. One whose length is known and that can be kept is
// read first, until a time (zero: without end), as something may stand in for it as long
// as the caller has seen nothing of it. Any other is passed on as it comes.
func (a *Answer) Take(res *http.Response, until time.Time) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode != http.StatusOK || res.ContentLength > Most || kind == "text/event-stream":
		res.Body = body.Then(res.Body, a.Cancel)
		return nil
	case res.ContentLength >= 0:
		return a.whole(res, until)
	case a.In.LastGood <= 0 || !a.In.Keeps(res.Header):
		res.Body = body.Then(res.Body, a.Cancel)
		return nil
	}
	a.header = res.Header.Clone()
	a.ReadCloser, res.Body = res.Body, a
	return nil
}

// whole reads the answer to its end.
func (a *Answer) whole(res *http.Response, until time.Time) error {
	defer a.Cancel()
	var late *time.Timer
	if !until.IsZero() {
		late = time.AfterFunc(time.Until(until), a.Cancel)
	}
	content := make([]byte, res.ContentLength)
	_, err := io.ReadFull(res.Body, content)
	timeUp := late != nil && !late.Stop()
	_ = res.Body.Close() // it was read to its end, or is not read any more
	switch {
	case err == nil:
	case timeUp && a.Request.Context().Err() == nil:
		return problem.Wrap(context.DeadlineExceeded, problem.DeadlineExceeded,
			"service %q began its answer to GET %s and did not end it in time", a.Service, a.Request.URL.Path)
	default:
		return problem.Wrap(err, problem.Unavailable, "the answer of service %q broke off", a.Service)
	}
	if a.In.Keeps(res.Header) {
		a.header = res.Header.Clone()
		a.keep(content)
	}
	res.Body = io.NopCloser(bytes.NewReader(content))
	return nil
}

func (a *Answer) keep(content []byte) {
	a.In.Keep(time.Now(), a.In.Question(a.Request), pool.Kept{Header: a.header, Body: content})
}

// Read reads on, and keeps what was read when that is all.
func (a *Answer) Read(p []byte) (int, error) {
	a.reading.Lock()
	defer a.reading.Unlock()
	return a.next(p)
}

func (a *Answer) next(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if len(a.read)+n > Most {
		a.read, a.over = nil, true
	}
	if !a.over {
		a.read = append(a.read, p[:n]...)
	}
	if err == nil {
		return n, nil
	}
	if err == io.EOF && !a.over {
		a.keep(bytes.Clone(a.read)) // without the room for more
	}
	a.read, a.over = nil, true
	a.Cancel()
	return n, err
}

// Close closes the body.
func (a *Answer) Close() error {
	defer a.Cancel()
	if a.reading.TryLock() { // nobody waits for a word that does not come
		defer a.reading.Unlock()
		late := time.AfterFunc(lastWord, a.Cancel)
		defer late.Stop()
		var room [512]byte
		for !a.over {
			if _, err := a.next(room[:]); err != nil {
				break
			}
		}
	}
	return a.ReadCloser.Close()
}
