// Package follow reads files whose content counts as soon as they change: lists of keys, of
// what is denied, of addresses. A file is looked at each second, which finds what notices of
// the kernel miss: replaced links, as Kubernetes mounts secrets, and network file systems.
package follow

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Every is how often a file is looked at.
const Every = time.Second

// settled is how old a change must be to be sure that another in the same tick of the file
// system's clock would be seen.
const settled = 2 * time.Second

// File is a followed file. It is safe for concurrent use.
type File struct {
	path string
	most int64
	load func(content []byte) error
	log  *slog.Logger

	seen os.FileInfo   // of the content that was read last; nil: none
	sum  [32]byte      // of it
	bad  error         // what load said of it
	told string        // the last complaint, so that each is logged once
	stop chan struct{} // closed by Close
	once sync.Once
	done sync.WaitGroup
}

// Open reads a file of at most so many bytes and gives it to load, then again after each change,
// until Close. An error of the first reading is returned; a later one is logged, and what was
// loaded before stays in use. load is called by one goroutine at a time.
func Open(path string, most int64, log *slog.Logger, load func(content []byte) error) (*File, error) {
	f := &File{path: path, most: most, load: load, log: log, stop: make(chan struct{})}
	if err := f.look(time.Now()); err != nil {
		return nil, err
	}
	f.done.Go(f.follow)
	return f, nil
}

// Close ends the following and waits for it. It always returns nil.
func (f *File) Close() error {
	f.once.Do(func() { close(f.stop) })
	f.done.Wait()
	return nil
}

func (f *File) follow() {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			return
		case now := <-tick.C:
			f.tell(f.look(now))
		}
	}
}

// tell logs a complaint once, and when it is over.
func (f *File) tell(err error) {
	switch {
	case err != nil && err.Error() != f.told:
		f.told = err.Error()
		f.log.Error("a followed file cannot be used; what it said before still counts", "file", f.path, "error", err)
	case err == nil && f.told != "":
		f.told = ""
		f.log.Info("a followed file is in use again", "file", f.path)
	}
}

// look loads the file when it has changed.
func (f *File) look(now time.Time) error {
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if f.seen != nil && os.SameFile(f.seen, info) && f.seen.Size() == info.Size() &&
		f.seen.ModTime().Equal(info.ModTime()) && now.Sub(info.ModTime()) > settled {
		return f.bad
	}
	content, err := read(f.path, f.most)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	if f.seen == nil || sum != f.sum {
		if f.bad = f.load(content); f.bad != nil {
			f.bad = fmt.Errorf("%s: %w", f.path, f.bad)
		}
	}
	f.seen, f.sum = info, sum
	return f.bad
}

func read(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(file, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("%s: it is larger than %d bytes", path, most)
	}
	return b.Bytes(), err
}
