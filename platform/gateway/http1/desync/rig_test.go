package desync_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/snapshot"
)

// rig is an edge, one back end, and the recorder, which is the back end or stands behind it.
type rig struct {
	edge     string
	recorder *recorder
	direct   bool // the recorder is the back end
	end      func()
	log      bytes.Buffer // the access log, after end

	probes, answers, passed int
}

// start runs an edge that sends all requests to one back end.
func start(t testing.TB, backend string, r *recorder, change ...func(*route.Route)) *rig {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{edge: l.Addr().String(), recorder: r, direct: backend == r.addr}
	all := route.Route{Path: "/", Service: "a"}
	for _, c := range change {
		c(&all)
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() {
		ended <- gateway.Run(ctx, gateway.Config{
			Listener: l, Admin: filepath.Join(t.TempDir(), "s"), AccessLogTo: &g.log,
			Table:     &snapshot.Document{Routes: []route.Route{all}},
			Instances: map[string][]string{"a": {backend}},
			Ready:     func(net.Addr) { close(ready) },
		})
	}()
	done := false
	g.end = func() {
		if cancel(); !done {
			done = true
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(g.end)
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return g
}

// answer is one of the edge's.
type answer struct {
	status int
	seen   string // the id of the request that the recorder answered
	last   bool   // the edge closes the connection
}

// converse sends a message as a whole, and reads as many answers as there are, want at most,
// and whether the connection ends if it should.
func (g *rig) converse(message []byte, want []request, ends bool) (answers []answer, err error) {
	c, err := net.Dial("tcp", g.edge)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(deadline())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = c.Write(message) // the edge need not read all of it
	}()
	defer func() { _ = c.Close(); <-sent }()
	in := bufio.NewReader(c)
	for len(answers) < len(want) || ends {
		method := http.MethodGet
		if len(answers) < len(want) {
			method = want[len(answers)].method
		}
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			if ends && closed(err) {
				return answers, nil
			}
			return answers, fmt.Errorf("after %d answers: %w", len(answers), err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil && !closed(err) {
			return answers, err
		}
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		answers = append(answers, answer{res.StatusCode, res.Header.Get("X-Seen"), res.Close})
		ends = ends || res.Close
	}
	return answers, nil
}

func closed(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) && !op.Timeout()
}

// refusals are the statuses of what cannot be read.
var refusals = []int{400, 413, 414, 417, 431, 501, 505}

// try sends a message and returns how the edge and what is behind it disagree about it; "" they do not.
func (g *rig) try(message []byte) string {
	_, _ = g.recorder.take()
	m := read(message)
	ends := m.fault != nil
	var answers []answer
	var err error
	if m.handed {
		answers, err = g.converseLeniently(message, m.requests)
	} else {
		answers, err = g.converse(message, m.requests, ends)
	}
	if err != nil {
		return fmt.Sprintf("it should be read as %v, fault %v: %v", m.requests, m.fault, err)
	}
	g.answers += len(answers)
	if what := g.judge(m, answers); what != "" {
		return what
	}
	return g.compare(answers)
}

// converseLeniently reads what comes until net/http has answered all, or refuses.
func (g *rig) converseLeniently(message []byte, want []request) ([]answer, error) {
	answers, err := g.converse(message, want, false)
	if err != nil && closed(err) {
		return answers, nil
	}
	return answers, err
}

// judge compares the answers with what the message means.
func (g *rig) judge(m reading, answers []answer) string {
	for i, a := range answers {
		if i >= len(m.requests) {
			if !m.refused(a) || i > len(m.requests) {
				return fmt.Sprintf("answer %d is %+v; it should be read as %v, fault %v", i+1, a, m.requests, m.fault)
			}
			return ""
		}
		switch want := m.requests[i]; {
		case a.seen == want.id():
			g.passed++
		case a.seen != "" && i >= m.strict && want.host == "":
			// net/http takes an empty Host, and writes the instance's own
		case a.seen != "":
			return fmt.Sprintf("answer %d is %+v, that of another request than %v (%s)", i+1, a, want, want.id())
		case a.status < 400:
			return fmt.Sprintf("answer %d is %+v, of nobody, to %v", i+1, a, want)
		case g.direct && i < m.strict && want.passes():
			return fmt.Sprintf("%v is refused: %+v", want, a)
		}
		if a.last {
			return ""
		}
	}
	if !m.handed && (len(answers) < len(m.requests) || m.fault != nil) {
		return fmt.Sprintf("there are %d answers; it should be read as %v, fault %v", len(answers), m.requests, m.fault)
	}
	return ""
}

// refused reports whether an answer is what the end of a message deserves.
func (m reading) refused(a answer) bool {
	if m.fault == nil || a.seen != "" || !a.last {
		return false
	}
	return a.status == m.fault.Status && slices.Contains(refusals, a.status) || m.inBody && a.status >= 400 && a.status < 500
}

// compare asks once more, on connections that may be used again, and compares what the
// recorder saw with the answers that the client got.
func (g *rig) compare(answers []answer) string {
	g.probes++
	probe := request{http.MethodGet, fmt.Sprintf("/probe/%d", g.probes), "probe", ""}
	got, err := g.converse(fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n", probe.target), []request{probe}, true)
	if err != nil || len(got) != 1 || got[0].seen != probe.id() {
		return fmt.Sprintf("the next client got %+v, %v", got, err)
	}
	seen, wrong := g.recorder.take()
	if len(wrong) > 0 {
		return "behind the edge: " + wrong[0]
	}
	var ids, want []string
	for _, r := range seen {
		ids = append(ids, r.id())
	}
	for _, a := range append(answers, got...) {
		if a.seen != "" {
			want = append(want, a.seen)
		}
	}
	if !slices.Equal(ids, want) {
		return fmt.Sprintf("the recorder saw %v, the client got the answers %+v", seen, answers)
	}
	return ""
}
