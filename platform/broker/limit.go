package broker

import (
	"io/fs"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/musterdev/muster/problem"
)

// A store is opened anew, which costs about a second, for a limit that is larger by
// worthMin bytes and a tenth, or by worthMax.
const (
	worthMin = 4 << 20
	worthMax = 1 << 30
)

// limit returns how many bytes of messages the store may hold: what it was told, else
// what it holds and three quarters of what is free. 0: the NATS server shall choose.
func (s *Server) limit() int64 {
	if s.maxStore != 0 {
		return s.maxStore
	}
	free, err := s.free(s.options.StoreDir)
	if err != nil {
		return 0
	}
	var held int64
	_ = filepath.WalkDir(filepath.Join(s.options.StoreDir, server.JetStreamStoreDir), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // gone meanwhile, or not there yet
		}
		if i, err := d.Info(); err == nil && i.Mode().IsRegular() {
			held += i.Size()
		}
		return nil
	})
	return max(held+free/4*3, 1)
}

func worth(now, anew int64) bool {
	more := anew - now
	return more > worthMin && more > now/10 || more > worthMax
}

// watchLimit notices that the server refuses messages for the store's limit, and ends
// that when old ones went or the limit computed anew is clearly larger.
func (s *Server) watchLimit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil || s.stopped {
		return
	}
	refused := s.said.limited.Swap(false)
	if s.full == nil && !refused {
		return
	}
	config := s.running.JetStreamConfig()
	stats, err := s.running.Jsz(nil)
	if err != nil || config == nil {
		return // health says why, the next time
	}
	room := config.MaxStore - int64(stats.Store) //nolint:gosec // bytes on a disk
	if refused {
		s.tight = room
	}
	if s.full == nil {
		s.full = s.fullError(config.MaxStore)
		s.log.Error("the store of messages is full; messages are refused", "store", s.options.StoreDir, "limit", config.MaxStore, "holds", stats.Store)
	}
	anew := s.limit()
	switch {
	case worth(config.MaxStore, anew):
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
		if err := s.start(); err != nil {
			s.failure = problem.Wrap(err, problem.Unavailable, "the broker's store cannot be opened with its new limit").WithRetryAfter(watchEvery)
			s.log.Error("the store of messages cannot be opened with its new limit; trying again", "error", err)
			return
		}
	case room > s.tight+maxMessage:
		s.full = nil
	default:
		return
	}
	s.log.Info("the store of messages has room again", "store", s.options.StoreDir, "limit", max(config.MaxStore, anew))
}

func (s *Server) fullError(limit int64) error {
	advice := "make room on its disk, of which it takes three quarters of what is free; it goes on by itself within seconds"
	if s.maxStore != 0 {
		advice = "that limit was set for it; it goes on when messages are older than seven days, or with a higher one"
	}
	return problem.New(problem.Unavailable, "the broker's store is full: its limit is %d MiB: %s", limit>>20, advice).WithRetryAfter(watchEvery)
}
