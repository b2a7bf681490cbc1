package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWritersPassInTheOrderTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &writeLock{path: "x.db", wait: time.Minute}
		if err := l.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []int // guarded by the lock under test
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if err := l.acquire(t.Context()); err != nil {
					t.Error(err)
				}
				order = append(order, i)
				l.release()
			})
			synctest.Wait() // it queues before the next one comes
		}
		l.release()
		all.Wait()
		for i, n := range order {
			if i != n {
				t.Fatalf("the order was %v", order)
			}
		}
		if l.taken || len(l.queue) != 0 {
			t.Errorf("taken %t, %d still wait", l.taken, len(l.queue))
		}
	})
}

func TestAWaiterMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &writeLock{path: "x.db", wait: time.Minute}
		if err := l.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		errs := make([]error, 3)
		var all sync.WaitGroup
		all.Go(func() { errs[0] = l.acquire(ctx) })
		synctest.Wait()
		all.Go(func() { errs[1] = l.acquire(t.Context()) })
		all.Go(func() {
			late, stop := context.WithTimeout(t.Context(), time.Second)
			defer stop()
			errs[2] = l.acquire(late)
		})
		synctest.Wait()
		cancel()
		time.Sleep(2 * time.Second) // of the bubble's clock
		l.release()
		all.Wait()
		if !errors.Is(errs[0], context.Canceled) || errs[1] != nil || !errors.Is(errs[2], context.DeadlineExceeded) {
			t.Errorf("errors %v", errs)
		}
		if !strings.Contains(errs[0].Error(), "x.db") {
			t.Errorf("%q names no database", errs[0])
		}
		if err := l.acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that had ended: %v", err)
		}
		l.release() // errs[1]'s turn
		if l.taken || len(l.queue) != 0 {
			t.Errorf("taken %t, %d still wait", l.taken, len(l.queue))
		}
	})
}

func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &writeLock{path: "x.db", wait: time.Minute}
		if err := l.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err := l.acquire(t.Context()) // beside the turn it waits for
		if err == nil || !strings.Contains(err.Error(), "x.db has been locked for writing for more than 1m0s") {
			t.Error(err)
		}
		if waited := time.Since(start); waited != time.Minute {
			t.Errorf("waited %s", waited)
		}
		l.release()
	})
}

func TestCloseWakesThoseWhoWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	file, err := openLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := &writeLock{path: path, wait: time.Minute, file: file}
	if err := l.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	err1 := make(chan error)
	go func() { err1 <- l.acquire(t.Context()) }()
	waitFor(t, "a waiter", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.queue) == 1 })
	l.close()
	if err := <-err1; !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if err := l.acquire(t.Context()); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if locked(t, path) == false {
		t.Error("closing took the lock from the one who writes")
	}
	l.release()
	if locked(t, path) {
		t.Error("the last one out left the lock")
	}
	if _, err := file.write.Stat(); err == nil {
		t.Error("the lock file is still open")
	}
}

func TestPoolsTakeTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	pools := make([]*writeLock, 3)
	for i := range pools {
		file, err := openLockFile(path)
		if err != nil {
			t.Fatal(err)
		}
		pools[i] = &writeLock{path: path, wait: time.Minute, file: file}
		defer pools[i].close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	inside, total, turns := 0, 0, make([]int, len(pools)) // turns counts once all have come
	come := map[int]bool{}
	var all sync.WaitGroup
	for i, l := range pools {
		for range 2 {
			all.Go(func() {
				for l.acquire(ctx) == nil {
					mu.Lock()
					inside++
					if inside != 1 {
						t.Errorf("%d write at once", inside)
					}
					if come[i] = true; len(come) == len(pools) {
						turns[i]++
						total++
					}
					if total >= 900 {
						cancel()
					}
					mu.Unlock()
					for begin := time.Now(); time.Since(begin) < 100*time.Microsecond; { // as long as a short transaction
						runtime.Gosched()
					}
					mu.Lock()
					inside--
					mu.Unlock()
					l.release()
				}
			})
		}
	}
	all.Wait()
	t.Logf("turns %v", turns)
	for _, n := range turns {
		if n < 150 {
			t.Errorf("turns %v: one pool starved", turns)
		}
	}
}

// Who has just released the lock cannot take it again before one who waits, however
// long that one takes to wake up.
func TestWhoReleasesQueuesBehindWhoWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	var files [2]*lockFile
	for i := range files {
		var err error
		if files[i], err = openLockFile(path); err != nil {
			t.Fatal(err)
		}
		defer files[i].close()
	}
	a, b := files[0], files[1]
	for range 50 {
		if err := a.lock(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- b.lock() }()
		waitFor(t, "the other to be next", func() bool { return waiting(t, path) })
		a.unlock()
		if got, err := a.tryLock(); got || err != nil {
			t.Fatalf("taken again at once: %t, %v", got, err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got, err := a.tryLock(); got || err != nil || !a.isNext {
			t.Fatalf("taken %t, %v; next in line %t", got, err, a.isNext)
		}
		b.unlock()
		if got, err := a.tryLock(); !got || err != nil || a.isNext {
			t.Fatalf("taken %t, %v; still in line %t", got, err, a.isNext)
		}
		a.unlock()
	}
}

func TestALockNobodyWantsAnyMoreIsGivenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	other, err := openLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	if err := other.lock(); err != nil {
		t.Fatal(err)
	}
	file, err := openLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := &writeLock{path: path, wait: time.Minute, file: file}
	defer l.close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := l.acquire(ctx); !errors.Is(err, context.DeadlineExceeded) { // while its take waits in the system
		t.Fatal(err)
	}
	other.unlock()
	waitFor(t, "the lock to come back", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return !l.taken })
	if locked(t, path) {
		t.Error("the lock was kept for nobody")
	}
	if err := l.acquire(t.Context()); err != nil {
		t.Error(err)
	}
	l.release()
}
