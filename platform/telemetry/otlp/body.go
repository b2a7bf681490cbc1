package otlp

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/musterdev/muster/problem"
)

// reserve takes n bytes of Limits.InFlight, or fails when others have them.
func (r *Receiver) reserve(n, most int64) bool {
	if r.inFlight.Add(n) > most {
		r.inFlight.Add(-n)
		return false
	}
	return true
}

// charge takes bytes of Limits.InFlight for what a body becomes, at most half of them all:
// one request alone must not be too much.
func (r *Receiver) charge(n int64, lim Limits) (release func(), err error) {
	n = min(n, lim.InFlight/2)
	if !r.reserve(n, lim.InFlight) {
		return nil, r.busy()
	}
	return func() { r.inFlight.Add(-n) }, nil
}

var errBusy = problem.New(problem.ResourceExhausted, "too much telemetry is being worked on: send it again").WithRetryAfter(retryBusy)

func (r *Receiver) tooLarge(lim Limits) error {
	r.tally.request("too large")
	return problem.New(problem.TooLarge, "the request has more than %d bytes, unpacked: send smaller batches", lim.Body)
}

// read reads a request's body, unpacked, charging for it as it comes. What it charged is
// to be given back by the caller, whatever the error.
func (r *Receiver) read(req *http.Request, lim Limits) (body *[]byte, charged int64, err error) {
	if req.ContentLength > lim.Body {
		return nil, 0, r.tooLarge(lim)
	}
	var src io.Reader = req.Body
	switch enc := strings.ToLower(strings.TrimSpace(req.Header.Get("Content-Encoding"))); enc {
	case "", "identity":
	case "gzip":
		z, err := r.unzip(req.Body)
		if err != nil {
			return nil, 0, r.unread(err)
		}
		defer r.zips.Put(z)
		src = z
	default:
		r.tally.request("unsupported")
		return nil, 0, &problem.Error{
			Code: problem.InvalidArgument, Status: http.StatusUnsupportedMediaType,
			Message: fmt.Sprintf("Content-Encoding is %q: send gzip or none", enc),
		}
	}
	body, _ = r.buffers.Get().(*[]byte)
	if body == nil {
		body = new([]byte)
	}
	b := (*body)[:0]
	if n := req.ContentLength; src == req.Body && n > 0 { // all at once, before there is memory for it
		if !r.reserve(n, lim.InFlight) {
			return body, 0, r.busy()
		}
		charged = n
		if n >= int64(cap(b)) {
			b = make([]byte, 0, n+1)
		}
	}
	for {
		if len(b) == cap(b) {
			b = append(b, make([]byte, max(len(b)/2, 16<<10))...)[:len(b)]
		}
		n, err := src.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		*body = b
		if more := int64(len(b)) - charged; more > 0 {
			if !r.reserve(more, lim.InFlight) {
				return body, charged, r.busy()
			}
			charged += more
		}
		switch {
		case int64(len(b)) > lim.Body:
			return body, charged, r.tooLarge(lim)
		case errors.Is(err, io.EOF):
			return body, charged, nil
		case err != nil:
			return body, charged, r.unread(err)
		}
	}
}

func (r *Receiver) busy() error {
	r.tally.request("throttled")
	return errBusy
}

// unread is the answer to a body that cannot be read to its end.
func (r *Receiver) unread(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || strings.HasPrefix(err.Error(), "flate:") {
		r.tally.request("malformed")
		return problem.Wrap(err, problem.InvalidArgument, "the body is not what Content-Encoding says: %v", err)
	}
	r.tally.request("aborted")
	return problem.Wrap(err, problem.InvalidArgument, "the body ended early, or came too slowly")
}

func (r *Receiver) unzip(src io.Reader) (*gzip.Reader, error) {
	if z, ok := r.zips.Get().(*gzip.Reader); ok {
		if err := z.Reset(src); err != nil {
			r.zips.Put(z)
			return nil, err
		}
		return z, nil
	}
	return gzip.NewReader(src)
}

// release gives back what read took.
func (r *Receiver) release(body *[]byte, charged int64) {
	r.inFlight.Add(-charged)
	if body != nil && cap(*body) <= 1<<20 { // larger ones are rare, and would stay
		r.buffers.Put(body)
	}
}
