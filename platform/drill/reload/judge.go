package reload

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/load"
)

const (
	mostGrowth = 0.05
	// A drill may be late by a tenth, or by this.
	least = 5 * time.Second
	// judgedFrom is the shortest drill that says anything of memory: before, the collector's
	// own swing is larger than what is looked for.
	judgedFrom = 30 * time.Second
)

// seen is what the drill saw.
type seen struct {
	streams *streams
	result  load.Result

	requests, failures atomic.Int64
	turned             atomic.Int64 // away, see errTurnedAway

	good, taken  int // documents that the edge must take, and those it took
	bad, refused int
	took         time.Duration
	early, late  []int64 // of the edge's memory
	unread       error   // why it could not be read
	known        int64   // requests under way, by the edge's own count, after the last reload

	atUpgrade, after counts
	upgraded         time.Duration
	replaced, ended  bool

	mu    sync.Mutex
	notes map[string][]string // by what they are about
}

// counts are what had gone wrong by a time.
type counts struct{ failures, closed, open int64 }

func (s *seen) now() counts {
	return counts{s.failures.Load(), s.streams.closed.Load(), s.streams.open.Load()}
}

func (s *seen) asked(err error) {
	s.requests.Add(1)
	switch {
	case errors.Is(err, errTurnedAway):
		s.turned.Add(1)
	case err != nil:
		s.failures.Add(1)
		s.note("requests", "a request failed: %v", err)
	}
}

// note keeps the first few of each kind.
func (s *seen) note(kind, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notes == nil {
		s.notes = map[string][]string{}
	}
	if len(s.notes[kind]) < maxNotes {
		s.notes[kind] = append(s.notes[kind], fmt.Sprintf(format, args...))
	}
}

func (s *seen) sample(to *[]int64, pid int) {
	n, err := memory(pid)
	if err != nil {
		s.unread = err
		return
	}
	*to = append(*to, n)
}

// judge says whether each target held.
func (cfg Config) judge(s *seen) *drill.Report {
	r := &drill.Report{Drill: "reload", Seed: cfg.Seed}
	r.Add("documents taken", fmt.Sprintf("%d in %s", s.good, cfg.For), fmt.Sprintf("%d in %s", s.taken, s.took.Round(100*time.Millisecond)),
		s.taken == s.good && s.took < cfg.For+max(cfg.For/10, least))
	r.Add("bad documents refused", fmt.Sprintf("%d of %d", s.bad, s.bad), fmt.Sprintf("%d of %d", s.refused, s.bad), s.refused == s.bad && s.bad > 0)
	r.Add("requests that failed, while reloading", "0", s.atUpgrade.failures, s.atUpgrade.failures == 0)
	r.Add("streams closed, while reloading", "0", fmt.Sprintf("%d of %d", s.atUpgrade.closed, cfg.Streams),
		s.atUpgrade.closed == 0 && s.atUpgrade.open == int64(cfg.Streams))
	r.Add("streams that the balancer still counts", fmt.Sprintf(">= %d", cfg.Streams), s.known, s.known >= int64(cfg.Streams))
	cfg.judgeMemory(r, s)
	r.Add("another process in the edge's place", "serves", fmt.Sprintf("after %s", s.upgraded.Round(time.Millisecond)), s.replaced)
	failed, closed := s.after.failures-s.atUpgrade.failures, s.after.closed-s.atUpgrade.closed
	r.Add("requests that failed, upgrading", "0", failed, failed == 0)
	r.Add("streams closed, upgrading", "0", fmt.Sprintf("%d of %d", closed, cfg.Streams), closed == 0 && s.after.open == int64(cfg.Streams))
	r.Add("the edge before ends once its streams have", "yes", s.ended, s.ended)
	asked := s.requests.Load()
	r.Add("requests, messages of streams", "> 0", fmt.Sprintf("%d, %d", asked, s.streams.said.Load()), asked > 0 && s.streams.said.Load() > 0)
	r.Notes = slices.Concat(r.Notes, s.notes["documents"], s.notes["requests"], s.streams.ends())
	if n := s.turned.Load(); n > 0 {
		r.Note("%d requests were turned away by the edge, as this machine had more to do than it can: the drill wants a quieter one", n)
	}
	if s.result.Void != "" {
		r.Note("the load: %s", s.result.Void)
	}
	return r
}

func (cfg Config) judgeMemory(r *drill.Report, s *seen) {
	early, late := median(s.early), median(s.late)
	if s.unread != nil || early == 0 || late == 0 {
		r.Note("the edge's memory is not judged: %v", s.unread)
		return
	}
	growth := float64(late)/float64(early) - 1
	measured := fmt.Sprintf("%+.1f %% (%.1f to %.1f MB)", 100*growth, float64(early)/1e6, float64(late)/1e6)
	if cfg.For < judgedFrom {
		r.Note("the edge's memory: %s; it is judged from --for %s on", measured, judgedFrom)
		return
	}
	r.Add("memory of the edge", fmt.Sprintf("<= %+.0f %%", 100*mostGrowth), measured, growth <= mostGrowth)
}
