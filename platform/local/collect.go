package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/logs"
	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/otlp/encode"
	"github.com/musterdev/muster/platform/telemetry/otlp/forward"
	"github.com/musterdev/muster/platform/telemetry/printed"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

const (
	gatherFor  = 200 * time.Millisecond // lines that are sent together
	gatherMost = 500
	sendAgain  = 100 * time.Millisecond
	catchUp    = 500 // lines of before it followed
)

// collector sends what programs print to where the fleet's telemetry goes, so that it is
// found beside their traces, whatever they are written in.
type collector struct {
	out     *forward.Forwarder
	sending sync.WaitGroup
	stop    context.CancelFunc

	reading   sync.WaitGroup
	followers []*logs.Follower
}

// collect begins to send what the children print. end ends it.
func (cfg *Config) collect(from *supervise.Supervisor) (end func() error, err error) {
	url := cfg.telemetryURL()
	if url == "" {
		return func() error { return nil }, nil
	}
	c, err := newCollector(url, cfg.state("collect"))
	if err != nil {
		return nil, err
	}
	f, err := from.Follow("", catchUp)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	c.follow(f, false)
	return c.close, nil
}

// newCollector begins to send to url; it keeps in dir what cannot be sent yet.
func newCollector(url, dir string) (*collector, error) {
	out, err := forward.New(forward.Config{Endpoint: url, Dir: dir, Backoff: sendAgain})
	if err != nil {
		return nil, fmt.Errorf("collect what programs print: %w", err)
	}
	c := &collector{out: out}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.sending.Go(func() { _ = out.Run(ctx) }) // it ends with ctx, and with nothing else
	return c, nil
}

// follow sends the lines of a follower. With several, each line says itself which of
// the process's services and instances it is of.
func (c *collector) follow(f *logs.Follower, several bool) {
	c.followers = append(c.followers, f)
	c.reading.Go(func() {
		tick := time.NewTicker(gatherFor)
		defer tick.Stop()
		var batch []line
		send := func() {
			c.send(batch)
			batch = batch[:0]
		}
		defer send()
		for {
			select {
			case l, more := <-f.Lines():
				if !more {
					return
				}
				if batch = append(batch, read(l, several)); len(batch) >= gatherMost {
					send()
				}
			case <-tick.C:
				send()
			}
		}
	})
}

// line is a record and whose it is.
type line struct {
	instance string
	signal.Log
}

func read(l logs.Line, several bool) line {
	out := line{l.Instance, printed.Parse(l.Text, l.Service, l.Time)}
	if several {
		out.Service = cmp.Or(out.Attributes.Text("service"), out.Service)
		out.instance = cmp.Or(out.Attributes.Text("instance"), out.instance)
	}
	out.Attributes = slices.DeleteFunc(out.Attributes, func(a signal.Attribute) bool { return a.Key == "service" || a.Key == "instance" })
	return out
}

func (c *collector) send(batch []line) {
	type source struct{ service, instance string }
	by := map[source][]signal.Log{}
	for _, l := range batch {
		s := source{l.Service, l.instance}
		by[s] = append(by[s], l.Log)
	}
	for s, records := range by {
		c.out.Push(otlp.Logs, encode.Logs(s.service, s.instance, records))
	}
}

// close ends it. What could not be sent is sent when a fleet starts here again.
func (c *collector) close() error {
	for _, f := range c.followers {
		f.Close()
	}
	c.reading.Wait()
	c.stop()
	c.sending.Wait()
	return c.out.Close()
}
