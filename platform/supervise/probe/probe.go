// Package probe asks a program how it is: by HTTP, by the gRPC health protocol, or
// by seeing whether anybody accepts a connection.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// LeaseHeader is the response header by which an instance says that it holds
// its lease in the registry itself; its value is then LeaseHeld.
const (
	LeaseHeader = "Muster-Lease"
	LeaseHeld   = "held"
)

// DefaultTimeout bounds a question that names no bound.
const DefaultTimeout = 2 * time.Second

// Kind says how to ask.
type Kind string

// The ways of asking.
const (
	HTTP Kind = "http" // GET; a status of 200 to 399 is a yes
	TCP  Kind = "tcp"  // an accepted connection is a yes
	GRPC Kind = "grpc" // grpc.health.v1.Health/Check; SERVING is a yes
	None Kind = "none" // nobody is asked: a yes
)

// Target says whom to ask and how.
type Target struct {
	Kind    Kind
	Address string        // host:port
	Path    string        // of HTTP: "/readyz"
	Assumed bool          // nobody promised that the program has such a page or health service: an answer that it has not is a yes
	Timeout time.Duration // of one question; 0 is DefaultTimeout
}

// Answer is what came of one question.
type Answer struct {
	Yes   bool
	Lease bool   // the instance holds its lease itself
	Text  string // what was asked and answered, for people
}

// Ask asks once. It is safe for concurrent use.
func Ask(ctx context.Context, t Target) Answer {
	if t.Timeout <= 0 {
		t.Timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	switch t.Kind {
	case None:
		return Answer{Yes: true, Text: "none asked for"}
	case TCP:
		return askTCP(ctx, t)
	case GRPC:
		return askGRPC(ctx, t)
	case HTTP:
		return askHTTP(ctx, t)
	default:
		return Answer{Text: fmt.Sprintf("no such kind of probe: %q", t.Kind)}
	}
}

func askTCP(ctx context.Context, t Target) Answer {
	asked := "connect to " + t.Address
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return Answer{Text: asked + ": " + reason(err, t.Timeout)}
	}
	_ = conn.Close()
	return Answer{Yes: true, Text: asked + ": accepted"}
}

// excerpt is how much of an answer's body is told.
const excerpt = 200

func askHTTP(ctx context.Context, t Target) Answer {
	url := "http://" + t.Address + t.Path
	asked := "GET " + url
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Answer{Text: asked + ": " + err.Error()}
	}
	req.Header.Set("User-Agent", "muster-probe")
	res, err := transport().RoundTrip(req) // follows no redirect: what is behind it may be another program
	if err != nil {
		return Answer{Text: asked + ": " + reason(err, t.Timeout)}
	}
	defer func() { _ = res.Body.Close() }()
	answer := Answer{
		Yes:   res.StatusCode >= 200 && res.StatusCode < 400,
		Lease: strings.EqualFold(res.Header.Get(LeaseHeader), LeaseHeld),
		Text:  asked + ": " + res.Status,
	}
	if res.StatusCode == http.StatusNotFound && t.Assumed {
		answer.Yes, answer.Text = true, answer.Text+" (it answers; it has no such page)"
	}
	if !answer.Yes {
		answer.Text += bodyOf(res.Body)
	}
	return answer
}

// transport returns one that keeps no connection: an idle one would count as
// somebody a draining server has to wait for.
func transport() *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DisableCompression: true}
}

func bodyOf(r io.Reader) string {
	b, _ := io.ReadAll(io.LimitReader(r, excerpt)) // what was read before an error is still worth telling
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(b), "?")), " ")
	if text == "" {
		return ""
	}
	return ": " + text
}

// reason says in few words why no answer came.
func reason(err error, within time.Duration) string {
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nobody listens there"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fmt.Sprintf("no answer within %v", within)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "the connection was closed without an answer"
	default:
		return err.Error()
	}
}
