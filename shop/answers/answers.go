// Package answers keeps whole answers of a service for a moment.
package answers

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Cache serves GET requests a second time from memory, ready as they went out: a
// product page costs a look-up instead of a query and its encoding. What it holds is
// at most ttl old. It is safe for concurrent use.
type Cache struct {
	next http.Handler
	ttl  time.Duration

	mu   sync.RWMutex
	kept map[string]*answer // by path and query
	size int                // of the bodies kept
}

// maxKept bounds the bytes of the bodies kept; where it is reached the cache begins anew.
const maxKept = 4 << 20

type answer struct {
	header  http.Header
	body    []byte
	pattern string // of the route that made it, for telemetry
	until   time.Time
}

// New returns a cache before next. With a ttl of 0 it keeps nothing.
func New(next http.Handler, ttl time.Duration) *Cache {
	return &Cache{next: next, ttl: ttl, kept: map[string]*answer{}}
}

// ServeHTTP answers from memory what it can. Only answers with status 200 are kept.
func (c *Cache) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		c.next.ServeHTTP(w, r)
		return
	}
	key := r.URL.RequestURI()
	c.mu.RLock()
	a := c.kept[key]
	c.mu.RUnlock()
	if a == nil || time.Now().After(a.until) {
		if a = c.fetch(w, r); a == nil {
			return // answered already
		}
		c.keep(key, a)
	}
	r.Pattern = a.pattern
	maps.Copy(w.Header(), a.header)
	if matches(r.Header.Get("If-None-Match"), a.header.Get("ETag")) {
		w.Header().Del("Content-Length")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(a.body) // the caller is gone: nobody is left to tell
}

// fetch has the next handler make the answer. One that is not kept goes to w.
func (c *Cache) fetch(w http.ResponseWriter, r *http.Request) *answer {
	whole := r.Clone(r.Context())
	whole.Header.Del("If-None-Match") // 304 has no body to keep
	rec := &recorder{ResponseWriter: w, header: http.Header{}, status: http.StatusOK}
	c.next.ServeHTTP(rec, whole)
	r.Pattern = whole.Pattern
	if rec.status != http.StatusOK {
		maps.Copy(w.Header(), rec.header)
		w.WriteHeader(rec.status)
		_, _ = w.Write(rec.body.Bytes())
		return nil
	}
	rec.header.Set("Content-Length", strconv.Itoa(rec.body.Len()))
	return &answer{header: rec.header, body: rec.body.Bytes(), pattern: whole.Pattern, until: time.Now().Add(c.ttl)}
}

func (c *Cache) keep(key string, a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.kept[key]; old != nil {
		c.size -= len(old.body)
	}
	if c.size += len(a.body); c.size > maxKept {
		clear(c.kept)
		c.size = len(a.body)
	}
	c.kept[key] = a
}

// matches compares entity tags weakly, as If-None-Match does (RFC 9110, 13.1.2).
func matches(header, tag string) bool {
	if tag == "" {
		return false
	}
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// recorder is a ResponseWriter that keeps what it is given.
type recorder struct {
	http.ResponseWriter // not written to; whoever watches it for errors goes on doing so
	header              http.Header
	status              int
	body                bytes.Buffer
}

// Unwrap leads problem.Write to the watcher.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Header returns the header to be kept.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader keeps the status.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write keeps the body.
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
