package call

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

// lastWord is how long the end of a body is waited for that its reader closes before: who
// reads one value of JSON does not read on to the end that follows it at once.
const lastWord = 20 * time.Millisecond

// keeping is a good answer on its way to the caller, of which a copy may be kept.
type keeping struct {
	io.ReadCloser

	request *http.Request
	in      *pool.Fallback
	header  http.Header
	cancel  context.CancelFunc // ends the request

	reading sync.Mutex
	read    []byte
	over    bool // nothing is kept any more
}

// take has the answer reach the caller. One whose length is known and that can be kept is
// read first, until a time (zero: without end), as something may stand in for it as long
// as the caller has seen nothing of it. Any other is passed on as it comes.
func (k *keeping) take(res *http.Response, service string, until time.Time) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode != http.StatusOK || res.ContentLength > maxKept || kind == "text/event-stream":
		res.Body = body.Then(res.Body, k.cancel)
		return nil
	case res.ContentLength >= 0:
		return k.whole(res, service, until)
	case k.in.LastGood <= 0 || !k.in.Keeps(res.Header):
		res.Body = body.Then(res.Body, k.cancel)
		return nil
	}
	k.header = res.Header.Clone()
	k.ReadCloser, res.Body = res.Body, k
	return nil
}

// whole reads the answer to its end.
func (k *keeping) whole(res *http.Response, service string, until time.Time) error {
	defer k.cancel()
	var late *time.Timer
	if !until.IsZero() {
		late = time.AfterFunc(time.Until(until), k.cancel)
	}
	content := make([]byte, res.ContentLength)
	_, err := io.ReadFull(res.Body, content)
	timeUp := late != nil && !late.Stop()
	_ = res.Body.Close() // it was read to its end, or is not read any more
	switch {
	case err == nil:
	case timeUp && k.request.Context().Err() == nil:
		return problem.Wrap(context.DeadlineExceeded, problem.DeadlineExceeded,
			"service %q began its answer to GET %s and did not end it in time", service, k.request.URL.Path)
	default:
		return problem.Wrap(err, problem.Unavailable, "the answer of service %q broke off", service)
	}
	if k.in.Keeps(res.Header) {
		k.header = res.Header.Clone()
		k.keep(content)
	}
	res.Body = io.NopCloser(bytes.NewReader(content))
	return nil
}

func (k *keeping) keep(content []byte) {
	k.in.Keep(time.Now(), k.in.Question(k.request), pool.Kept{Header: k.header, Body: content})
}

// Read reads on, and keeps what was read when that is all.
func (k *keeping) Read(p []byte) (int, error) {
	k.reading.Lock()
	defer k.reading.Unlock()
	return k.next(p)
}

func (k *keeping) next(p []byte) (int, error) {
	n, err := k.ReadCloser.Read(p)
	if len(k.read)+n > maxKept {
		k.read, k.over = nil, true
	}
	if !k.over {
		k.read = append(k.read, p[:n]...)
	}
	if err == nil {
		return n, nil
	}
	if err == io.EOF && !k.over { //nolint:errorlint // what a Reader returns at its end
		k.keep(bytes.Clone(k.read)) // without the room for more
	}
	k.read, k.over = nil, true
	k.cancel()
	return n, err
}

// Close closes the body.
func (k *keeping) Close() error {
	defer k.cancel()
	if k.reading.TryLock() { // nobody waits for a word that does not come
		defer k.reading.Unlock()
		late := time.AfterFunc(lastWord, k.cancel)
		defer late.Stop()
		var room [512]byte
		for !k.over {
			if _, err := k.next(room[:]); err != nil {
				break
			}
		}
	}
	return k.ReadCloser.Close()
}
