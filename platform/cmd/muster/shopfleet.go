package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/supervise"
)

// shopFleet is the shop as it runs for a demo or a drill, and what is told of it.
type shopFleet struct {
	*reference.Fleet

	show *local.Progress // of the fleet; nil in one process
}

type shopOptions struct {
	dir      string
	replicas int
	single   bool
	anyPort  bool // see reference.Options
	inner    bool // the same
	out      io.Writer
	quiet    bool

	databases map[string]string // URLs by service; a service that has none here keeps its SQLite file
}

func (o shopOptions) reference(show *local.Progress) reference.Options {
	r := reference.Options{
		Dir: o.dir, Replicas: o.replicas, Single: o.single, AnyPort: o.anyPort, Inner: o.inner, Databases: o.databases, Out: o.out,
	}
	if show != nil {
		r.Events = show.Show
	}
	return r
}

// openShop starts the shop's fleet, each instance a process.
func openShop(ctx context.Context, o shopOptions) (*shopFleet, error) {
	p := &local.Progress{Out: o.out, Calm: o.quiet}
	p.Quiet.Store(o.quiet)
	f, err := reference.Open(ctx, o.reference(p))
	if err != nil {
		return nil, err
	}
	return &shopFleet{Fleet: f, show: p}, nil
}

// openInProcess runs the whole shop and the engines in this one process.
func openInProcess(ctx context.Context, o shopOptions) (*shopFleet, error) {
	f, err := reference.OpenInProcess(ctx, o.reference(nil), func(name string) { _, _ = fmt.Fprintf(o.out, "%-14s ready\n", name) })
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(o.out, "all ready in one process, logs in %s\n", filepath.Join(o.dir, supervise.Folder, "logs"))
	return &shopFleet{Fleet: f}, nil
}

// close ends the shop.
func (s *shopFleet) close() error {
	if s.show != nil {
		s.show.Quiet.Store(true)
	}
	return s.Close()
}

// cheapestMug is what the search in welcome finds first.
const cheapestMug = "p-1572"

// welcome says where to look and what to try.
func (s *shopFleet) welcome() string {
	var b strings.Builder
	fmt.Fprintf(&b, `
The shop is open:
  the dashboard      %[2]s/
  through the edge   %[1]s/v1/products
  the registry       %[2]s/v1/services
  data and logs      %[3]s
`, s.URL, s.Control, filepath.Join(s.Dir, supervise.Folder))
	third := "Look at the logs:\n       cat " + shellWord(filepath.Join(s.Dir, supervise.Folder, "logs", "process.log"))
	if s.Processes() != nil {
		if port := s.Port("catalog"); port != 0 {
			fmt.Fprintf(&b, "  catalog's API      http://127.0.0.1:%d/docs\n", port)
		}
		third = "Kill a process and watch it come back:\n       " + self() + " ps -C " + shellWord(s.Dir) + "\n       kill -9 PID"
	}
	fmt.Fprintf(&b, `
Four things to try, from another terminal:
  1. Find the cheapest mug, fill a cart, order it, and ask for the order until it is done:
       curl -s '%[1]s/v1/products?category=mugs&sort=price&limit=1'
       cart=$(curl -s -X POST %[1]s/v1/carts | sed 's/.*"id":"\([^"]*\)".*/\1/')
       curl -s %[1]s/v1/carts/$cart/lines --json '{"product":"%[4]s","quantity":2}'
       order=$(curl -s %[1]s/v1/orders --json "{\"cart\":\"$cart\"}" | sed 's/.*"id":"\([^"]*\)".*/\1/')
       until curl -s %[1]s/v1/orders/$order | grep -v '"state":"pending"'; do sleep 0.1; done
  2. See which requests were slow, and why one of them was:
       %[3]s trace --url %[5]s --slow
       %[3]s why --url %[5]s TRACE
  3. %[2]s
  4. Let shoppers come while replicas are killed, or replaced:
       %[3]s demo --for 30s --chaos --exit
       %[3]s drill rolling --for 30s

Ctrl-C ends it.
`, s.URL, third, self(), cheapestMug, s.Control)
	return b.String()
}
