package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/telemetry/store/block"
	"github.com/musterdev/muster/platform/telemetry/store/format"
)

const (
	blockDir = "blocks"
	walDir   = "wal"
	suffix   = ".blk"
)

// Run writes to blocks what is due and removes what is kept no longer, until ctx ends. It
// always returns nil. Without it blocks are written while somebody appends, and nothing
// is removed.
func (s *Store) Run(ctx context.Context) error {
	const pause = 5 * time.Second
	t := time.NewTicker(pause)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-t.C:
			s.due()
		}
		if err := s.sealFrozen(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("telemetry: what came in cannot be written to a block; it waits in memory and in the log", "error", err)
		}
		if err := s.compact(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("telemetry: small blocks cannot be joined", "error", err)
		}
		s.retain()
	}
}

// due freezes the heads that are idle or old.
func (s *Store) due() {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freeze(func(h *head) bool {
		return now.Sub(h.latest) >= s.cfg.SealIdle || now.Sub(h.since) >= s.cfg.SealAfter
	})
}

// Flush writes all that is in memory to blocks. It fails with signal.ErrFull when the disk
// has no room.
func (s *Store) Flush(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.freeze(func(*head) bool { return true })
	s.mu.Unlock()
	if err := s.sealFrozen(ctx); err != nil {
		return full(err)
	}
	return nil
}

// sealFrozen writes the rows that wait to blocks.
func (s *Store) sealFrozen(ctx context.Context) error {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.mu.Lock()
		if len(s.frozen) == 0 || s.closed {
			s.mu.Unlock()
			return s.release()
		}
		h := s.frozen[0]
		s.mu.Unlock()
		if err := s.sealHead(h); err != nil {
			return err
		}
	}
}

// sealHead writes the next block of a head, and forgets the head when it was the last.
func (s *Store) sealHead(h *head) error {
	from, until := h.done, min(h.done+s.cfg.BlockRows, len(h.rows.Fixed))
	s.image = s.writer.Build(s.image[:0], &h.rows, from, until,
		format.Meta{Signal: h.signal, Service: h.service, Upto: h.upto(until)})
	b, err := s.write(s.image)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks[h.key] = append(s.blocks[h.key], b)
	if h.done = until; h.done == len(h.rows.Fixed) {
		s.frozen[0] = nil // or the array would hold it
		s.frozen = s.frozen[1:]
		s.waiting -= h.bytes
	}
	if cap(s.image) > maxHeadBytes {
		s.image = nil
	}
	return nil
}

// write makes a block of its bytes: whole, or not at all.
func (s *Store) write(image []byte) (*block.File, error) {
	s.mu.Lock()
	path := filepath.Join(s.dir, blockDir, fmt.Sprintf("%012x%s", s.seq, suffix))
	s.seq++
	s.mu.Unlock()
	tmp := path + ".tmp"
	if err := s.create(tmp, image); err != nil {
		return nil, errors.Join(err, ignoreMissing(os.Remove(tmp)))
	}
	if err := os.Rename(tmp, path); err != nil {
		return nil, errors.Join(err, os.Remove(tmp))
	}
	if !s.cfg.unsynced {
		if err := syncDir(filepath.Dir(path)); err != nil {
			return nil, err
		}
	}
	return s.files.Open(path)
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// create writes a file and syncs it.
func (s *Store) create(path string, b []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil && !s.cfg.unsynced {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// release throws away the part of the log that is in blocks.
func (s *Store) release() error {
	s.mu.Lock()
	first := s.ingested + 1
	for _, h := range s.heads {
		first = min(first, h.first())
	}
	for _, h := range s.frozen {
		first = min(first, h.first())
	}
	s.mu.Unlock()
	s.logging.Lock()
	defer s.logging.Unlock()
	if s.log == nil { // it is being read
		return nil
	}
	return s.log.Release(first)
}

// openBlocks reads what blocks there are, and returns how far each service's rows are in
// them.
func (s *Store) openBlocks() (map[key]format.Mark, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, blockDir))
	if err != nil {
		return nil, err
	}
	var list []*block.File
	for _, e := range entries {
		path := filepath.Join(s.dir, blockDir, e.Name())
		if strings.HasSuffix(path, ".tmp") {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		number, isBlock := strings.CutSuffix(strings.TrimSuffix(e.Name(), ".corrupt"), suffix)
		n, err := strconv.ParseUint(number, 16, 64)
		if !isBlock || err != nil {
			continue // not ours
		}
		s.seq = max(s.seq, n+1)
		if !strings.HasSuffix(path, suffix) {
			continue // set aside before
		}
		b, err := s.files.Open(path)
		if errors.Is(err, format.ErrCorrupt) {
			s.damaged(path, err)
			err = os.Rename(path, path+".corrupt")
		} else if err == nil {
			list = append(list, b)
		}
		if err != nil {
			return nil, err
		}
	}
	return s.index(list)
}

func (s *Store) damaged(path string, err error) {
	s.damage.Blocks++
	s.cfg.Log.Error("telemetry: a block is damaged and is set aside; what it has is missing from answers",
		"file", path+".corrupt", "error", err)
}

// index sorts blocks by whose they are, and removes those that others replace.
func (s *Store) index(list []*block.File) (map[key]format.Mark, error) {
	upto := map[key]format.Mark{}
	replaced := map[string]bool{}
	for _, b := range list {
		for _, name := range b.Replaces {
			replaced[name] = true
		}
	}
	for _, b := range list {
		if replaced[filepath.Base(b.Path)] {
			if err := b.Remove(); err != nil {
				return nil, err
			}
			continue
		}
		k := key{b.Signal, b.Service}
		s.blocks[k] = append(s.blocks[k], b)
		if b.Upto.After(upto[k]) {
			upto[k] = b.Upto
		}
	}
	return upto, nil
}
