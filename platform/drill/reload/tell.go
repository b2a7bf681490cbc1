package reload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/problem"
)

const (
	// warm is how often the edge's collector has run before its memory is looked at: the
	// process grows with the first runs. For that it is told other things without a pause, for
	// cfg.For at most.
	warm = 6
	// window is the part of the reloads in which the memory is looked at, first and last.
	window = 4
)

// reload tells the edge other things again and again, evenly over cfg.For.
func (cfg Config) reload(ctx context.Context, f *stageFleet, seen *seen) error {
	client := admin.NewClient(local.EdgeSocket(f.dir))
	base, err := client.Document(ctx)
	if err != nil {
		return err
	}
	pid := 0
	if pids := f.edges(); len(pids) > 0 {
		pid = pids[0]
	}
	random := rand.New(rand.NewPCG(cfg.Seed, 2))
	if err := cfg.warm(ctx, f, client, base, random); err != nil {
		return fmt.Errorf("tell the edge other things: %w", err)
	}
	began := time.Now()
	for n := range cfg.Reloads {
		due := time.Duration(n) * cfg.For / time.Duration(cfg.Reloads)
		if err := pause(ctx, due-time.Since(began)); err != nil {
			return err
		}
		doc, bad := document(base, n, random)
		seen.judgeReload(n, bad, client.SetDocument(ctx, doc))
		switch {
		case n%10 != 0:
		case n < cfg.Reloads/window:
			seen.sample(&seen.early, pid)
		case n >= cfg.Reloads-cfg.Reloads/window:
			seen.sample(&seen.late, pid)
		}
	}
	seen.took = time.Since(began)
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	for _, in := range st.Services[Name] {
		seen.known += in.InFlight
	}
	if err := client.SetDocument(ctx, base); err != nil {
		return fmt.Errorf("give the edge its first routes again: %w", err)
	}
	return nil
}

// warm tells the edge other things until its memory is what it is.
func (cfg Config) warm(ctx context.Context, f *stageFleet, client *admin.Client, base snapshot.Document, random *rand.Rand) error {
	before, err := f.collections(ctx)
	if err != nil {
		return err
	}
	for began, n := time.Now(), 0; time.Since(began) < cfg.For; n++ {
		doc, bad := document(base, n, random)
		if err := client.SetDocument(ctx, doc); err != nil && !bad {
			return err
		}
		if n%badEvery != 0 {
			continue
		}
		if now, err := f.collections(ctx); err != nil || now >= before+warm {
			return err
		}
	}
	return nil
}

// collections returns how often the edge's collector has run.
func (f *stageFleet) collections(ctx context.Context) (int, error) {
	socket := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", local.EdgeSocket(f.dir))
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://edge/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := socket.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "go_gc_duration_seconds_count "); ok {
			return strconv.Atoi(n)
		}
	}
	return 0, errors.New("the edge's metrics do not say how often its collector ran")
}

// judgeReload notes what came of a document.
func (s *seen) judgeReload(n int, bad bool, err error) {
	switch {
	case bad && problem.CodeOf(err) == problem.InvalidArgument:
		s.refused++
	case bad:
		s.note("documents", "document %d is bad, and the edge said %v", n, err)
	case err != nil:
		s.note("documents", "document %d was not taken: %v", n, err)
	default:
		s.taken++
	}
	if bad {
		s.bad++
	} else {
		s.good++
	}
}
