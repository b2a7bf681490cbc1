// Package watch tells when files change that a service is made from. Changes
// that come together are told once.
package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// An editor writes a file in several steps, a checkout many files: a change is
// told when nothing has happened for quiet, or, while it goes on and on, after
// longest.
const (
	quiet   = 200 * time.Millisecond
	longest = 3 * time.Second
)

// Watcher watches places for several names. It is safe for concurrent use.
type Watcher struct {
	changed func(name string)
	system  *fsnotify.Watcher
	over    chan struct{} // closed when the loop has ended

	mu     sync.Mutex
	names  map[string]*watched
	closed bool
}

// watched is what one name watches.
type watched struct {
	places  []Place
	folders map[string]bool
	timer   *time.Timer // runs while a change is going on
	began   time.Time   // when that change began
}

// New returns a Watcher that calls changed, from any goroutine, with the name
// under which something changed.
func New(changed func(name string)) (*Watcher, error) {
	system, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", explain(err))
	}
	w := &Watcher{changed: changed, system: system, over: make(chan struct{}), names: map[string]*watched{}}
	go w.loop()
	return w, nil
}

// Set makes name watch these places and no others.
func (w *Watcher) Set(name string, places []Place) error {
	folders, err := expand(places)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	entry := w.names[name]
	if entry == nil {
		entry = &watched{}
		w.names[name] = entry
	}
	before := entry.folders
	entry.places, entry.folders = places, folders
	for dir := range folders {
		if err := w.system.Add(dir); err != nil {
			return fmt.Errorf("watch %s: %w", dir, explain(err)) // the others stay watched, too many rather than too few
		}
	}
	w.release(before)
	return nil
}

// Watches reports whether any place is watched for a name.
func (w *Watcher) Watches(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.names[name] != nil
}

// Remove ends the watching for a name.
func (w *Watcher) Remove(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if entry := w.names[name]; entry != nil && !w.closed {
		delete(w.names, name)
		entry.rest()
		w.release(entry.folders)
	}
}

// Close ends all watching. Closing twice is allowed.
func (w *Watcher) Close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		for _, entry := range w.names {
			entry.rest()
		}
		_ = w.system.Close()
	}
	w.mu.Unlock()
	<-w.over
}

func (entry *watched) rest() {
	if entry.timer != nil {
		entry.timer.Stop()
		entry.timer = nil
	}
}

// release forgets folders that nobody watches any more; the lock is held.
func (w *Watcher) release(folders map[string]bool) {
	for dir := range folders {
		if !w.isWatched(dir) {
			_ = w.system.Remove(dir) // it may be gone already
		}
	}
}

func (w *Watcher) isWatched(dir string) bool {
	for _, entry := range w.names {
		if entry.folders[dir] {
			return true
		}
	}
	return false
}

func (w *Watcher) loop() {
	defer close(w.over)
	for {
		select {
		case e, ok := <-w.system.Events:
			if !ok {
				return
			}
			if e.Op != fsnotify.Chmod {
				w.happened(e)
			}
		case err, ok := <-w.system.Errors:
			if !ok {
				return
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				w.everythingChanged()
			}
		}
	}
}

// happened finds the names that an event matters to.
func (w *Watcher) happened(e fsnotify.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, entry := range w.names {
		matters := entry.matters(e.Name)
		if e.Has(fsnotify.Create) && entry.deepIn(e.Name) && w.adopt(entry, e.Name) {
			matters = true
		}
		if matters {
			w.debounce(name, entry)
		}
	}
}

func (w *Watcher) everythingChanged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, entry := range w.names {
		w.debounce(name, entry)
	}
}

// adopt watches a new folder, and reports whether a file that matters was put
// into it before it was watched; the lock is held.
func (w *Watcher) adopt(entry *watched, dir string) bool {
	folders, err := expand([]Place{{Dir: dir, Deep: true}})
	if err != nil || len(folders)+len(entry.folders) > maxFolders {
		return true // it was more than can be looked at: say that something changed
	}
	matters := false
	for folder := range folders {
		_ = w.system.Add(folder) // gone again, or too many: then the next change there is not seen
		entry.folders[folder] = true
		files, _ := os.ReadDir(folder)
		matters = matters || slices.ContainsFunc(files, func(f fs.DirEntry) bool {
			return !f.IsDir() && entry.matters(filepath.Join(folder, f.Name()))
		})
	}
	return matters
}

// debounce begins or prolongs the wait for quiet; the lock is held.
func (w *Watcher) debounce(name string, entry *watched) {
	if w.closed {
		return
	}
	if entry.timer == nil {
		entry.began = time.Now()
		entry.timer = time.AfterFunc(quiet, func() { w.tell(name, entry) })
	} else if time.Since(entry.began) < longest {
		entry.timer.Reset(quiet)
	}
}

func (w *Watcher) tell(name string, entry *watched) {
	w.mu.Lock()
	current := w.names[name] == entry && entry.timer != nil && !w.closed
	entry.timer = nil
	if current { // a folder that was removed and made again is no longer watched
		for dir := range maps.Keys(entry.folders) {
			_ = w.system.Add(dir)
		}
	}
	w.mu.Unlock()
	if current {
		w.changed(name)
	}
}

// matters reports whether a path is one of those watched.
func (entry *watched) matters(path string) bool {
	return slices.ContainsFunc(entry.places, func(p Place) bool {
		rel, ok := below(p, path)
		return ok && !ignored(rel) && (p.Match == nil || p.Match(rel))
	})
}

// deepIn reports whether the path lies where folders below matter.
func (entry *watched) deepIn(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() && slices.ContainsFunc(entry.places, func(p Place) bool {
		rel, ok := below(p, path)
		return p.Deep && ok && !ignored(rel)
	})
}
