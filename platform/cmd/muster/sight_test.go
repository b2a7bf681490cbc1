package main

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/musterdev/muster/platform/telemetry"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// The traces of sight that a script speaks of.
const (
	slowOrder   = "4bf92f3577b34da6a3ce929d0e0e4736"
	failedOrder = "deadbeef00000000000000000000cafe"
)

// sight VARIABLE serves the telemetry of a shop, as control does, until the script ends,
// and names its address: eight usual orders of a minute ago, one that took 4 s in card,
// and one that failed there.
func sight(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sight VARIABLE")
	}
	tel, err := telemetry.Open(telemetry.Config{Dir: filepath.Join(ts.Getenv("WORK"), "telemetry")})
	ts.Check(err)
	ts.Defer(func() { _ = tel.Close() })
	orders, err := shopping(time.Now().Add(-time.Minute))
	ts.Check(err)
	ts.Check(tel.Keep(context.Background(), orders))
	mux := http.NewServeMux()
	for pattern, h := range tel.Answers() {
		mux.Handle(pattern, h)
	}
	server := httptest.NewServer(mux)
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}

// until PATTERN COMMAND... runs a command that goes on for ever, until it prints a line that
// matches; then Ctrl-C must end it well.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until pattern command...")
	}
	want := regexp.MustCompile(args[0])
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, lookPath(ts, args[1]), args[2:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), environ(ts)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if want.Match(lines.Bytes()) {
			ts.Check(cmd.Process.Signal(os.Interrupt))
		}
	}
	if err := cmd.Wait(); err != nil || !want.MatchString(said.String()) {
		ts.Fatalf("%v ended with %v and printed\n%s", args[1:], err, said.String())
	}
}

// shopping are orders, one a second from a time on.
func shopping(from time.Time) (b signal.Batch, err error) {
	for n := range byte(10) {
		o := order{id: signal.TraceID{0: 1, 15: n}, from: from.Add(time.Duration(n) * time.Second)}
		card := 12 * time.Millisecond
		switch n {
		case 8:
			card = 4 * time.Second
			o.id, err = signal.ParseTraceID(slowOrder)
		case 9:
			o.failure = "card declined"
			o.id, err = signal.ParseTraceID(failedOrder)
		}
		if err != nil {
			return b, err
		}
		const ms = time.Millisecond
		o.span("edge", "POST /v1/orders", signal.Server, 0, card+20*ms)
		o.span("edge", "POST", signal.Client, 1*ms, card+19*ms)
		o.span("orders", "POST /v1/orders", signal.Server, 2*ms, card+18*ms)
		o.span("orders", "POST", signal.Client, 8*ms, card+12*ms)
		o.span("card", "POST /v1/charges", signal.Server, 10*ms, card+10*ms)
		b.Spans = append(b.Spans, o.spans...)
		b.Logs = append(b.Logs, o.log("info", "charging"))
		if o.failure != "" {
			b.Logs = append(b.Logs, o.log("error", o.failure))
		}
	}
	return b, nil
}

// order is a trace in which each span is the child of the one before.
type order struct {
	id      signal.TraceID
	from    time.Time
	failure string
	spans   []signal.Span
}

func (o *order) span(service, name string, kind signal.Kind, from, until time.Duration) {
	s := signal.Span{
		Trace: o.id, ID: signal.SpanID{7: byte(len(o.spans) + 1)}, Service: service, Name: name, Kind: kind,
		Start: o.from.Add(from).UnixNano(), Duration: int64(until - from), Message: o.failure,
	}
	if len(o.spans) > 0 {
		s.Parent = signal.SpanID{7: byte(len(o.spans))}
	}
	if o.failure != "" {
		s.Status = signal.Error
	}
	if kind == signal.Server && service != "edge" {
		s.Attributes = signal.Attributes{{Key: "order.id", Value: signal.StringValue("o-" + o.id.String()[30:])}}
	}
	o.spans = append(o.spans, s)
}

// log is what card logged in its span.
func (o *order) log(level, text string) signal.Log {
	last := o.spans[len(o.spans)-1]
	l := signal.Log{
		Time: last.Start + int64(len(text)), Service: "card", Severity: signal.SeverityInfo, Body: text, Trace: o.id, Span: last.ID,
		Resource: signal.Attributes{{Key: "service.instance.id", Value: signal.StringValue("card-1")}},
	}
	if level == "error" {
		l.Severity = signal.SeverityError
	}
	return l
}
