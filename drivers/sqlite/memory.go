package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"

	"github.com/musterdev/muster/observe/sqltrace"
)

// SQLite's own :memory: gives each connection a database of its own, and shared
// between connections it makes readers wait for writers. So a database in memory
// is a file like any other in a folder of its own, where there is one in a file
// system that lives in memory.
const (
	memoryFileSystem = "/dev/shm"
	memoryFolder     = "muster-sqlite-" // its owner holds a lock on the file "alive" in it
	unfinishedFolder = "muster-sqlite+" // not yet locked
)

func newMemoryConnector(wait time.Duration) (*connector, error) {
	base := os.TempDir()
	if folder, err := os.MkdirTemp(memoryFileSystem, unfinishedFolder); err == nil {
		_ = os.Remove(folder)
		base = memoryFileSystem
	}
	sweepMemory(base)
	folder, alive, err := claimFolder(base)
	if err != nil {
		return nil, fmt.Errorf("sqlite: no folder for a database in memory: %w: set TMPDIR to one that can be written", err)
	}
	path := filepath.Join(folder, "memory.db")
	engine, err := sqlite.NewConnector(dsn(path, busyWait, "OFF"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: %s: %w", path, err), alive.Close(), os.RemoveAll(folder))
	}
	return &connector{
		database: sqltrace.Database{System: "sqlite", Namespace: "memory"},
		path:     path, busy: busyWait, engine: engine,
		lock:  &writeLock{path: path, wait: wait},
		close: func() error { return errors.Join(os.RemoveAll(folder), alive.Close()) },
	}, nil
}

// claimFolder makes a folder and locks it as long as the file it returns is open.
func claimFolder(base string) (folder string, alive *os.File, err error) {
	made, err := os.MkdirTemp(base, unfinishedFolder)
	if err != nil {
		return "", nil, err
	}
	if alive, err = os.Create(filepath.Join(made, "alive")); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(made))
	}
	folder = filepath.Join(base, memoryFolder+filepath.Base(made)[len(unfinishedFolder):])
	if _, err = flock(alive, true); err == nil {
		err = os.Rename(made, folder)
	}
	if err != nil {
		return "", nil, errors.Join(err, alive.Close(), os.RemoveAll(made))
	}
	return folder, alive, nil
}

// sweepMemory removes the databases of processes that were killed.
func sweepMemory(base string) {
	folders, _ := filepath.Glob(filepath.Join(base, memoryFolder+"*"))
	for _, folder := range folders {
		alive, err := os.OpenFile(filepath.Join(folder, "alive"), os.O_RDWR, 0)
		if err != nil { // another user's, or just being removed
			continue
		}
		if dead, err := flock(alive, false); dead && err == nil {
			_ = os.RemoveAll(folder)
		}
		_ = alive.Close()
	}
}
