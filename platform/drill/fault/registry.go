package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// generationShift leaves a registry's own index 2^40 changes in an epoch, and both
// together less than 2^53, which JSON's readers may cut to.
const (
	generationShift = 40
	generations     = 1 << 13
)

// Registry returns a registry's handler in front of next that answers lists and watches
// with the addresses the caller is to use by edges; everything else passes as it is. A
// watch that waits is answered when these change, and one that comes later is too: the
// index handed out counts both the registry's changes and those of the edges. A request
// says by discovery.CallerHeader which service asks; who does not is concerned only by
// edges from any.
func Registry(next http.Handler, edges *Edges) http.Handler {
	return &registry{next: next, edges: edges}
}

type registry struct {
	next  http.Handler
	edges *Edges
}

func (h *registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet:
		h.next.ServeHTTP(w, r)
	case r.URL.Path == "/v1/watch":
		h.watch(w, r)
	case r.URL.Path == "/v1/services", strings.HasPrefix(r.URL.Path, "/v1/services/"):
		h.list(w, r)
	default:
		h.next.ServeHTTP(w, r)
	}
}

// list answers a catalog.
func (h *registry) list(w http.ResponseWriter, r *http.Request) {
	a := answer{to: w, header: http.Header{}}
	h.next.ServeHTTP(&a, r)
	var c discovery.Catalog
	if a.status() != http.StatusOK || json.Unmarshal(a.body.Bytes(), &c) != nil {
		a.pass()
		return
	}
	caller := r.Header.Get(discovery.CallerHeader)
	for _, list := range c.Services {
		for i := range list {
			list[i] = h.edges.Rewrite(caller, list[i])
		}
	}
	a.replace(r, c)
}

// watch answers a watch, at once with everything when the caller was told the addresses
// of another generation.
func (h *registry) watch(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		generation, changed := h.edges.Generation()
		generation %= generations
		ctx, cancel := context.WithCancel(r.Context())
		go func() {
			select {
			case <-changed:
				cancel()
			case <-ctx.Done():
			}
		}()
		a := answer{to: w, header: http.Header{}}
		h.next.ServeHTTP(&a, translated(r.WithContext(ctx), generation))
		cancel()
		if now, _ := h.edges.Generation(); now%generations != generation {
			continue // what was answered may name addresses of before
		}
		var c discovery.Changes
		if a.status() != http.StatusOK || json.Unmarshal(a.body.Bytes(), &c) != nil {
			a.pass()
			return
		}
		caller := r.Header.Get(discovery.CallerHeader)
		for i := range c.Changed {
			c.Changed[i] = h.edges.Rewrite(caller, c.Changed[i])
		}
		c.Index |= generation << generationShift
		a.replace(r, c)
		return
	}
}

// translated returns the watch as the registry itself is to be asked: after its own
// index, or for everything.
func translated(r *http.Request, generation uint64) *http.Request {
	q := r.URL.Query()
	index, err := strconv.ParseUint(q.Get("index"), 10, 64)
	if err != nil {
		return r // no index, or one the registry is to refuse
	}
	if index>>generationShift == generation {
		q.Set("index", strconv.FormatUint(index&(1<<generationShift-1), 10))
	} else {
		q.Del("epoch")
		q.Del("index")
	}
	u := *r.URL
	u.RawQuery = q.Encode()
	r = r.Clone(r.Context())
	r.URL = &u
	return r
}

// answer keeps what the registry answers. Lists are of bounded size: the registry holds
// a bounded number of instances.
type answer struct {
	to     http.ResponseWriter
	header http.Header
	code   int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.code == 0 {
		a.code = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// Unwrap lets the registry lift the connection's deadlines (http.ResponseController).
func (a *answer) Unwrap() http.ResponseWriter { return a.to }

func (a *answer) status() int {
	if a.code == 0 {
		return http.StatusOK
	}
	return a.code
}

// pass sends what was kept.
func (a *answer) pass() {
	maps.Copy(a.to.Header(), a.header)
	a.to.WriteHeader(a.status())
	_, _ = a.to.Write(a.body.Bytes()) // if the caller is gone, nobody is left to tell
}

// replace sends v with the header that was kept.
func (a *answer) replace(r *http.Request, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		problem.Write(a.to, r, problem.Wrap(err, problem.Internal, "the registry's answer cannot be written anew"))
		return
	}
	a.header.Del("Content-Length")
	a.body.Reset()
	a.body.Write(b)
	a.pass()
}
