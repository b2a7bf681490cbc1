// Package store keeps spans and log records in column blocks: an own one for some thousand
// rows of a service, so that each service has its own room and a chatty one forgets only
// its own past. It implements [signal.Store].
//
// What is appended goes to a log on the disk with one write, so that it survives the death
// of the process (not a power cut, which may take the last seconds), and to memory, where
// it is found at once. [Store.Run] writes the rows of a service to a block, synced to the
// disk, when they are many or old, and removes what is older or larger than is kept.
//
// One process at a time may use a folder.
package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/block"
	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
	"github.com/musterdev/muster/platform/telemetry/store/seal"
	"github.com/musterdev/muster/platform/telemetry/store/wal"
)

// Store keeps spans and log records in a folder. Its methods may be called concurrently.
type Store struct {
	cfg   Config
	dir   string
	lock  *os.File
	files *block.Files
	wake  chan struct{}

	// Locks are taken in this order.

	appending sync.Mutex // orders what is appended
	enc       row.Encoder
	buf       []byte

	sealing sync.Mutex // one block at a time
	writer  *seal.Writer
	image   []byte

	mu       sync.Mutex
	heads    map[key]*head
	frozen   []*head // to be sealed, those that wait longest first
	waiting  int64   // bytes of memory that they take
	filling  int64   // and that heads take
	blocks   map[key][]*block.File
	removed  map[string]*[2]int64 // by signal
	damage   Damage
	ingested uint64 // number of the last record that is in the heads
	seq      uint64 // of the next block
	closed   bool

	logging sync.Mutex
	log     *wal.Log
}

// key is whose rows are kept together.
type key struct {
	signal  row.Signal
	service string
}

var _ signal.Store = (*Store)(nil)

// ErrClosed is the error of a store that was closed.
var ErrClosed = errors.New("the telemetry store is closed")

// Damage is what was found damaged since the store was opened. All else goes on.
type Damage struct {
	Records int   // places in the log of what was appended; a torn end is one
	Bytes   int64 // of them
	Blocks  int   // blocks that were set aside, with ".corrupt" behind their names
}

// Open opens the store in a folder, which is made where it is missing. It fails when
// another process has it open. What is damaged is left out, logged and counted.
func Open(dir string, cfg Config) (*Store, error) {
	s := &Store{
		cfg: cfg.withDefaults(), dir: dir, wake: make(chan struct{}, 1), seq: 1,
		heads: map[key]*head{}, blocks: map[key][]*block.File{}, removed: map[string]*[2]int64{},
	}
	if err := s.open(); err != nil {
		if s.lock != nil {
			_ = s.lock.Close()
		}
		return nil, fmt.Errorf("open the telemetry store in %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) open() (err error) {
	for _, sub := range []string{blockDir, walDir} {
		if err = os.MkdirAll(filepath.Join(s.dir, sub), 0o755); err != nil {
			return err
		}
	}
	if s.lock, err = lock(filepath.Join(s.dir, "lock")); err != nil {
		return err
	}
	if s.files, err = block.NewFiles(); err != nil {
		return err
	}
	if s.writer, err = seal.NewWriter(); err != nil {
		return err
	}
	last, err := s.openBlocks()
	if err != nil {
		return err
	}
	return s.replay(last)
}

// replay puts into the heads what is in no block.
func (s *Store) replay(upto map[key]format.Mark) error {
	log, lost, err := wal.Open(filepath.Join(s.dir, walDir), s.cfg.Log, func(number uint64, payload []byte) error {
		s.ingested = number
		for len(payload) > 0 {
			sec, rest, err := row.Next(payload)
			if err != nil {
				return s.unreadable(number, len(payload), err)
			}
			payload = rest
			k, but := key{sec.Signal, sec.Service}, 0
			switch m := upto[k]; {
			case number < m.Record:
				continue
			case number == m.Record:
				but = m.Rows
			}
			if err := s.ingest(number, sec, but); err != nil {
				return s.unreadable(number, len(payload), err)
			}
		}
		if s.waiting > s.cfg.HeadBytes/2 {
			if err := s.sealFrozen(context.Background()); err != nil { // a full disk keeps nobody from reading
				s.cfg.Log.Warn("telemetry: what is in the log cannot be written to a block; it waits in memory", "error", err)
			}
		}
		return nil
	})
	s.damage.Records += lost.Places
	s.damage.Bytes += lost.Bytes
	if err != nil {
		return err
	}
	for _, m := range upto {
		log.Skip(m.Record + 1)
	}
	s.log = log
	return nil
}

// unreadable counts what is whole in the log and still makes no sense. It returns nil.
func (s *Store) unreadable(number uint64, bytes int, err error) error {
	s.damage.Records++
	s.damage.Bytes += int64(bytes)
	s.cfg.Log.Warn("telemetry: a record of the log of what came in is left out", "record", number, "error", err)
	return nil
}

// Damage tells what was found damaged.
func (s *Store) Damage() Damage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damage
}

// Close ends the store's use of its folder. What is in memory only is in the log, too, and
// is read from there by the next Open. Queries that go on fail.
func (s *Store) Close() error {
	s.appending.Lock()
	defer s.appending.Unlock()
	s.sealing.Lock()
	defer s.sealing.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for _, list := range s.blocks {
		for _, b := range list {
			b.Close()
		}
	}
	s.mu.Unlock()
	s.logging.Lock()
	defer s.logging.Unlock()
	log := s.log
	s.log = nil
	return errors.Join(log.Close(), s.lock.Close())
}
