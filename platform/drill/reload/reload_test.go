package reload

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/problem"
)

// The edge itself says of each document what the drill expects, and the routes that are
// asked are in all of them.
func TestDocuments(t *testing.T) {
	base := snapshot.Document{Routes: []route.Route{
		{Path: loadPath, Service: Name}, {Path: socketPath, Service: Name}, {Path: strings.TrimSuffix(chatPath, "Chat"), Service: Name, GRPC: true},
	}}
	random := rand.New(rand.NewPCG(1, 2))
	bad := 0
	for n := range 4 * badEvery {
		doc, isBad := document(base, n, random)
		if isBad {
			bad++
		}
		err := gateway.Check(doc, nil)
		if (err != nil) != isBad || isBad && problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("document %d, bad %v: %v", n, isBad, err)
		}
		for i, r := range base.Routes {
			if got := doc.Routes[i]; got.Path != r.Path || got.Service != r.Service || got.GRPC != r.GRPC {
				t.Errorf("document %d has %+v in the place of %+v", n, got, r)
			}
		}
	}
	if bad != 4 {
		t.Errorf("%d bad documents", bad)
	}
	if len(base.Routes[0].Filters) > 0 || len(base.Routes[0].Versions) > 0 {
		t.Error("the base was changed")
	}
}

// well is what a drill saw in which everything held.
func well(cfg Config) *seen {
	s := &seen{
		streams: &streams{}, good: 980, taken: 980, bad: 20, refused: 20, took: cfg.For, early: []int64{100, 101, 99}, late: []int64{104, 90, 105},
		known: int64(cfg.Streams), replaced: true, ended: true,
		atUpgrade: counts{open: int64(cfg.Streams)}, after: counts{open: int64(cfg.Streams)},
	}
	s.requests.Store(1)
	s.streams.said.Store(1)
	return s
}

func TestJudge(t *testing.T) {
	cfg := Config{}.filled()
	if r := cfg.judge(well(cfg)); !r.Held() {
		t.Errorf("%v", r.Err())
	}
	for what, harm := range map[string]func(*seen){
		"documents taken":                            func(s *seen) { s.taken-- },
		"bad documents refused":                      func(s *seen) { s.refused-- },
		"requests that failed, while reloading":      func(s *seen) { s.atUpgrade.failures, s.after.failures = 1, 1 },
		"requests that failed, upgrading":            func(s *seen) { s.after.failures = 1 },
		"streams closed, while reloading":            func(s *seen) { s.atUpgrade.closed, s.after.closed = 1, 1 },
		"streams closed, upgrading":                  func(s *seen) { s.after.closed = 1 },
		"streams that the balancer still counts":     func(s *seen) { s.known-- },
		"memory of the edge":                         func(s *seen) { s.late = []int64{106, 107, 108} },
		"another process in the edge's place":        func(s *seen) { s.replaced = false },
		"the edge before ends once its streams have": func(s *seen) { s.ended = false },
		"requests, messages of streams":              func(s *seen) { s.streams.said.Store(0) },
	} {
		s := well(cfg)
		harm(s)
		r := cfg.judge(s)
		for _, row := range r.Rows {
			if row.Held == (row.What == what) {
				t.Errorf("%s: %+v", what, row)
			}
		}
	}
	late := well(cfg)
	late.took = cfg.For + cfg.For/10 + time.Second
	if cfg.judge(late).Held() {
		t.Error("1,000 reloads in 67 s held")
	}
	cfg.For = 10 * time.Second
	if r := cfg.judge(well(cfg)); len(r.Rows) != 10 || len(r.Notes) != 1 {
		t.Errorf("a short drill judges %d rows and notes %q", len(r.Rows), r.Notes)
	}
}

func TestMemory(t *testing.T) {
	if n, err := memory(os.Getpid()); err == nil && n < 1<<20 {
		t.Errorf("this process has %d bytes", n)
	}
	if _, err := memory(-1); err == nil {
		t.Error("a process that is none has memory")
	}
}
