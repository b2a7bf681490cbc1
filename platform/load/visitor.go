package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/load/value"
)

// Bounds of one answer, in bytes.
const (
	maxSearched = 1 << 20  // looked through for values to capture
	maxRead     = 64 << 20 // read at all; a longer answer fails its step
)

// Visitor is one who walks a flow. It is for the goroutine that a step's Call is called
// from.
type Visitor struct {
	run    *run
	number int
	random *rand.Rand
	client http.Client // with cookies of its own
	values map[string]string
	unique int
}

func newVisitor(r *run, number int, random *rand.Rand) *Visitor {
	v := &Visitor{run: r, number: number, random: random, client: r.client, values: map[string]string{}}
	jar, err := cookiejar.New(nil)
	if err == nil { // as it always is without options
		v.client.Jar = jar
	}
	for _, name := range slices.Sorted(maps.Keys(r.plan.Vars)) {
		list := r.plan.Vars[name]
		v.values[name] = list[random.IntN(len(list))]
	}
	return v
}

// Number returns the visitor's number: 0 for the first who arrived.
func (v *Visitor) Number() int { return v.number }

// Get returns the value of a variable, as ${name} has it.
func (v *Visitor) Get(name string) (string, bool) {
	switch name {
	case value.Visit:
		return strconv.Itoa(v.number), true
	case value.Unique:
		v.unique++
		return fmt.Sprintf("%x-%d-%d", v.run.plan.Seed^uint64(v.run.began.UnixNano()), v.number, v.unique), true
	}
	s, ok := v.values[name]
	return s, ok
}

// Set gives a variable a value for the steps that follow.
func (v *Visitor) Set(name, text string) { v.values[name] = text }

// Random returns the visitor's own source, which the plan's seed and the number decide.
func (v *Visitor) Random() *rand.Rand { return v.random }

func (v *Visitor) choose(flows []flow, weights int) *flow {
	lot := v.random.IntN(weights)
	for i := range flows {
		if lot -= flows[i].weight; lot < 0 {
			return &flows[i]
		}
	}
	return &flows[len(flows)-1]
}

// do makes one request.
func (v *Visitor) do(ctx context.Context, f *flow, s *step, intended time.Time) Sample {
	out := Sample{Visit: v.number, Flow: f.name, Step: s.name, Priority: s.counted, Intended: intended, Began: time.Now()}
	one, cancel := context.WithTimeout(ctx, s.timeout)
	if s.Call != nil {
		out.Status, out.Err = s.Call(one, v)
		out.Shed = out.Status == Shed
		if out.Shed && out.Err == nil {
			out.Err = errors.New("the server had no room")
		}
		if out.Status == "" {
			out.Status = "ok"
			if out.Err != nil {
				out.Status = kind(out.Err)
			}
		}
	} else {
		v.http(one, s, &out)
	}
	cancel()
	out.Ended = time.Now()
	out.Cut = ctx.Err() != nil && out.Err != nil
	return out
}

func (v *Visitor) http(ctx context.Context, s *step, out *Sample) {
	req, err := v.request(ctx, s)
	if err != nil {
		out.Status, out.Err = "error", err
		return
	}
	res, err := v.client.Do(req)
	if err != nil {
		out.Status, out.Err = kind(err), err
		return
	}
	defer func() { _ = res.Body.Close() }() // it was read, or failed
	out.Status = strconv.Itoa(res.StatusCode)
	out.Shed = res.Header.Get(resilience.ShedHeader) != "" || res.StatusCode == http.StatusTooManyRequests
	body, err := readBody(res.Body)
	switch {
	case err != nil:
		out.Status, out.Err = kind(err), fmt.Errorf("status %d, then its body: %w", res.StatusCode, err)
	case !s.wants(res.StatusCode):
		out.Err = fmt.Errorf("status %d: %.200q", res.StatusCode, body)
	default:
		out.Err = v.capture(s, res.Header, body)
	}
}

// request fills in the templates.
func (v *Visitor) request(ctx context.Context, s *step) (*http.Request, error) {
	path, err := s.path.Fill(v.Get, value.AsPath)
	if err != nil {
		return nil, err
	}
	if !wholeURL(path) {
		path = strings.TrimSuffix(v.run.plan.URL, "/") + path
	}
	var body io.Reader
	if s.Body != "" {
		escape := value.AsIs
		if s.json {
			escape = value.AsJSON
		}
		filled, err := s.body.Fill(v.Get, escape)
		if err != nil {
			return nil, err
		}
		body = strings.NewReader(filled)
	}
	req, err := http.NewRequestWithContext(ctx, s.method, path, body)
	if err != nil {
		return nil, err
	}
	if s.json {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, t := range s.headers {
		filled, err := t.Fill(v.Get, value.AsIs)
		if err != nil {
			return nil, err
		}
		req.Header.Set(name, filled)
		if name == "Host" {
			req.Host = filled
		}
	}
	if s.sent != nil {
		req.Header.Set(resilience.PriorityHeader, s.sent.String())
	}
	return req, nil
}

// readBody reads an answer to its end and keeps its beginning.
func readBody(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxSearched))
	if err != nil {
		return body, err
	}
	n, err := io.Copy(io.Discard, io.LimitReader(from, maxRead-maxSearched))
	if err == nil && n == maxRead-maxSearched {
		err = fmt.Errorf("it is larger than %d MiB", maxRead>>20)
	}
	return body, err
}

func (v *Visitor) capture(s *step, header http.Header, body []byte) error {
	for _, c := range s.captures {
		found, err := c.find(header, body, v.random)
		if err != nil {
			return fmt.Errorf("capture %s: %w", c.name, err)
		}
		v.values[c.name] = found
	}
	return nil
}

// kind names why there was no answer.
func kind(err error) string {
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) {
		return "timeout"
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "broken"
	}
	return "error"
}
