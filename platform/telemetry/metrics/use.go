package metrics

import (
	"errors"
	"fmt"
	"sync"
)

// use is who uses a database's tsdb, and whether anybody may.
type use struct {
	mu      sync.Mutex
	changed sync.Cond
	users   int
	broken  bool // the log has a torn record: nothing may be written
	mending bool // nobody may begin to use it
	closed  bool
	err     error // why there is no tsdb; nil: there is one
}

func (u *use) isBroken() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.broken
}

func (u *use) setBroken() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.broken = true
}

// alone waits until nobody uses tsdb; nobody begins before done. It reports false when
// the database was closed, or when it need not be done any more.
func (u *use) alone(needed func() bool) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.mending {
		u.changed.Wait()
	}
	if u.closed || !needed() {
		return false
	}
	u.mending = true
	for u.users > 0 {
		u.changed.Wait()
	}
	return true
}

func (u *use) done(after func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	after()
	u.mending = false
	u.changed.Broadcast()
}

// enter keeps tsdb open until leave. Who has entered must not enter again before.
func (db *DB) enter() error {
	u := &db.use
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.mending {
		u.changed.Wait()
	}
	switch {
	case u.closed:
		return ErrClosed
	case u.err != nil:
		return u.err
	}
	u.users++
	return nil
}

func (db *DB) leave() {
	u := &db.use
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.users--; u.users == 0 {
		u.changed.Broadcast()
	}
}

// enterToWrite enters when there is room on the disk, and mends the log before, when it
// is torn.
func (db *DB) enterToWrite() error {
	if err := db.disk.room(); err != nil {
		return err
	}
	if db.use.isBroken() {
		if err := db.mend(); err != nil {
			return err
		}
	}
	return db.enter()
}

// leastRoom is what opening a log takes, and something.
const leastRoom = 1 << 20

// mend opens tsdb anew, which cuts the torn end of the log: all that was acknowledged
// lies before it. It fails with ErrFull while there is no room.
func (db *DB) mend() error {
	if free, err := freeBytes(db.dir); err == nil && free < leastRoom {
		return ErrFull
	}
	if !db.use.alone(func() bool { return db.use.broken }) {
		return nil
	}
	store, own := db.tsdb, db.own
	err := func() (err error) {
		defer recovered(&err)
		if store != nil {
			if err := store.Close(); err != nil { // what it could not write is what is cut
				db.cfg.Log.Warn("closing the metrics whose log is torn", "err", err)
			}
		}
		store, own, err = open(db.dir, db.cfg)
		return err
	}()
	db.use.done(func() {
		db.tsdb, db.own, db.use.broken, db.use.err = store, own, err != nil, nil
		if err != nil {
			db.tsdb, db.use.err = nil, fmt.Errorf("metrics: cannot be opened after the disk was full: %w", err)
		}
	})
	if err == nil {
		db.cfg.Log.Info("the metrics' log was torn, for the disk was full, and is mended")
	}
	return explain(err)
}

// Close ends the use of the database. It waits for the calls and queries that use it;
// later ones fail with ErrClosed.
func (db *DB) Close() (err error) {
	if !db.use.alone(func() bool { return true }) {
		return nil
	}
	defer db.use.done(func() { db.use.closed = true })
	defer recovered(&err)
	if err = db.engine.Close(); db.tsdb != nil {
		err = errors.Join(err, db.tsdb.Close())
	}
	return err
}
