package pool

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/musterdev/muster/call/resilience"
)

// Kept is an answer that can be given again.
type Kept struct {
	Header http.Header
	Body   []byte
}

// size is about what it takes, in bytes.
func (k Kept) size() int {
	n := cap(k.Body)
	for name, values := range k.Header {
		n += len(name)
		for _, v := range values {
			n += len(v)
		}
	}
	return n
}

// Fallback is what stands in for the answers to a service or to a route of it.
type Fallback struct {
	*resilience.Fallback[Kept]

	mu     sync.Mutex // for changes
	varies atomic.Pointer[[]string]
}

// mostVaries bounds the headers that answers are kept apart by. (A service that names more
// has a fallback that would hardly ever be asked the same again.)
const mostVaries = 32

// always are the headers whose values tell two questions apart, whatever the answers say.
func always() []string {
	return []string{"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cookie", "Range"}
}

// newFallback returns what stands in for answers; nil when nothing does.
func newFallback(s *resilience.FallbackSettings) *Fallback {
	if s == nil {
		return nil
	}
	f := &resilience.Fallback[Kept]{LastGood: s.LastGood, Entries: s.Entries, Bytes: s.Bytes(), Size: Kept.size}
	if s.Value != "" {
		f.Value = &Kept{Header: http.Header{"Content-Type": {http.DetectContentType([]byte(s.Value))}}, Body: []byte(s.Value)}
		if strings.HasPrefix(s.Value, "{") || strings.HasPrefix(s.Value, "[") {
			f.Value.Header.Set("Content-Type", "application/json")
		}
	}
	names := always()
	out := &Fallback{Fallback: f}
	out.varies.Store(&names)
	return out
}

// keeps sets the target's fallback: the service's where nothing else is said for a route,
// and the one it had, with what that has kept, while the settings stay.
func (t *Target) keeps(was, service *Target) {
	s := t.Policy.Fallback
	alike := func(other *Target) bool {
		if other == nil || other.Policy.Fallback == nil || s == nil {
			return false
		}
		return *other.Policy.Fallback == *s
	}
	switch {
	case alike(service):
		t.Fallback, t.others = service.Fallback, true
	case alike(was) && !was.others:
		t.Fallback = was.Fallback
	default:
		t.Fallback = newFallback(s)
	}
}

// Question tells two calls apart whose answers may differ: nobody gets an answer that
// was given to somebody else.
func (f *Fallback) Question(r *http.Request) string {
	var b strings.Builder
	b.WriteString(r.Method + " " + r.Host + " " + r.URL.RequestURI())
	for _, name := range *f.varies.Load() {
		for _, v := range r.Header[name] {
			b.WriteString("\x00" + name + "\x00" + v)
		}
	}
	return b.String()
}

// Keeps reports whether an answer with this header may be given again, to whoever asks the
// same: not what is for one person only, as Cache-Control or a cookie says (RFC 9111, 3;
// RFC 6265, 3). What it varies by tells questions apart from then on.
func (f *Fallback) Keeps(h http.Header) bool {
	if len(h["Set-Cookie"]) > 0 {
		return false
	}
	for _, directive := range listed(h["Cache-Control"]) {
		name, _, _ := strings.Cut(directive, "=") // private="x" is private
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "private", "no-store":
			return false
		}
	}
	vary := listed(h["Vary"])
	for i, name := range vary {
		vary[i] = http.CanonicalHeaderKey(name)
	}
	return !slices.Contains(vary, "*") && f.varyBy(vary)
}

// varyBy has questions told apart by these headers too; false when that would be too many.
func (f *Fallback) varyBy(names []string) bool {
	known := func(name string) bool { return slices.Contains(*f.varies.Load(), name) }
	if !slices.ContainsFunc(names, func(name string) bool { return !known(name) }) {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	next := slices.Clone(*f.varies.Load())
	for _, name := range names {
		if !slices.Contains(next, name) {
			next = append(next, name)
		}
	}
	if len(next) > mostVaries {
		return false
	}
	f.varies.Store(&next)
	return true
}

// listed returns the members of a header whose values are lists.
func listed(values []string) []string {
	var out []string
	for _, v := range values {
		for one := range strings.SplitSeq(v, ",") {
			if one = strings.TrimSpace(one); one != "" {
				out = append(out, one)
			}
		}
	}
	return out
}

// FallsBack reports whether something may stand in for the call's answer: it changes
// nothing and has a body that can be given again.
func (t *Target) FallsBack(r *http.Request) bool {
	return t.Fallback != nil && r.Method == http.MethodGet && r.Header.Get("Upgrade") == "" && r.Header.Get("Range") == ""
}
