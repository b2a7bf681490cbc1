// Package logs keeps what children print: the last lines of each in memory,
// everything in files that cannot grow without bound, and live lines for
// whoever follows. Nothing here ever makes a child wait for a reader.
package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// The bounds of what is kept.
const (
	maxLine     = 16 << 10  // bytes of a line; the rest of a longer one is counted, not kept
	lifeLines   = 50        // lines of a child's present life, for the message when it fails
	serviceRows = 500       // lines of a service, all its instances together
	serviceSize = 512 << 10 // bytes of those
	followQueue = 1024      // lines a follower may be behind
	goneFiles   = 10        // files of a service's instances that are gone; a day of live reloads makes hundreds
)

// Line is one line a child printed.
type Line struct {
	Time     time.Time `json:"time"`
	Service  string    `json:"service"`
	Instance string    `json:"instance"`
	Text     string    `json:"text"` // without the line's end; not necessarily UTF-8
}

// Book holds the logs of all services. It is safe for concurrent use.
type Book struct {
	dir string
	now func() time.Time

	mu        sync.Mutex
	services  map[string]*ring
	followers map[*Follower]bool
	closed    map[string][]string // by service: the files of instances that are gone, oldest first
}

// NewBook returns a Book that writes files into dir, which it creates.
func NewBook(dir string) (*Book, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for logs: %w", err)
	}
	return &Book{
		dir: dir, now: time.Now,
		services: map[string]*ring{}, followers: map[*Follower]bool{}, closed: map[string][]string{},
	}, nil
}

// Open returns the log of one instance, which appends to the file
// <instance>.log. Close it when the instance is gone.
func (b *Book) Open(service, instance string) (*Log, error) {
	f, err := openRotating(filepath.Join(b.dir, filepath.Base(instance)+".log"), maxFile, keptFiles)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", instance, err)
	}
	return &Log{book: b, service: service, instance: instance, file: f, life: ring{rows: lifeLines}}, nil
}

// Tail returns the last n lines of a service, or of all for "", in the order
// they were printed. It reaches back at most 500 lines a service.
func (b *Book) Tail(service string, n int) []Line {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tail(service, n)
}

func (b *Book) tail(service string, n int) []Line {
	var all []Line
	for name, r := range b.services {
		if service == "" || name == service {
			all = append(all, r.lines...)
		}
	}
	slices.SortStableFunc(all, func(x, y Line) int { return x.Time.Compare(y.Time) })
	return all[max(0, len(all)-n):]
}

// Follow returns a Follower that gets the last n lines of a service, or of all
// for "", and then each new one. Close it.
func (b *Book) Follow(service string, n int) *Follower {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.tail(service, n)
	f := &Follower{book: b, service: service, lines: make(chan Line, followQueue+len(old))}
	for _, line := range old {
		f.lines <- line
	}
	b.followers[f] = true
	return f
}

// publish hands lines to the ring of their service and to its followers.
func (b *Book) publish(lines []Line) {
	if len(lines) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	service := lines[0].Service
	r := b.services[service]
	if r == nil {
		r = &ring{rows: serviceRows, size: serviceSize}
		b.services[service] = r
	}
	for _, line := range lines {
		r.add(line)
		for f := range b.followers {
			if f.service == "" || f.service == service {
				f.offer(line)
			}
		}
	}
}

// gone notes that an instance's file is finished, and removes the oldest of its
// service's when there are too many.
func (b *Book) gone(service, path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	paths := b.closed[service]
	paths = append(paths, path)
	for ; len(paths) > goneFiles; paths = paths[1:] {
		removeRotating(paths[0], keptFiles)
	}
	b.closed[service] = paths
}
