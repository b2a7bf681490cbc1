// Package addresses lets requests in by the address they come from: the kind "addresses".
// It also knows which hop of an X-Forwarded-For to believe: [Client].
package addresses

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/follow"
	"github.com/musterdev/muster/problem"
)

// Config is what the kind is told. What is denied is turned away, also where it is allowed
// too; when something is allowed, all else is turned away.
type Config struct {
	Allow []string `json:"allow"` // addresses and prefixes
	Deny  []string `json:"deny"`
	// AllowFiles and DenyFiles name files with more of them, one a line, # begins a comment.
	// They count as soon as they change; one that becomes unreadable or wrong counts as it was.
	AllowFiles []string `json:"allow_files"`
	DenyFiles  []string `json:"deny_files"`
}

// maxFile bounds a file: about half a million prefixes.
const maxFile = 16 << 20

// Filter turns requests away by where they come from.
type Filter struct{ allow, deny list }

// list is a set that is made of several places.
type list struct {
	set   atomic.Pointer[Set]
	told  []netip.Prefix
	given bool // nothing is not everything
	files []*follow.File
	read  []atomic.Pointer[[]netip.Prefix] // of each file
}

var (
	_ filter.Maker  = Make
	_ filter.Closer = (*Filter)(nil)
)

// Make makes a filter of a [Config].
func Make(_ context.Context, env filter.Env, with json.RawMessage) (filter.Filter, error) {
	var c Config
	if err := filter.Decode(with, &c); err != nil {
		return nil, err
	}
	f := &Filter{}
	var m filter.Mistakes
	f.allow.tell(&m, "allow", c.Allow, c.AllowFiles)
	f.deny.tell(&m, "deny", c.Deny, c.DenyFiles)
	if !f.allow.given && !f.deny.given {
		m.Add("", "nothing is allowed or denied: give allow, deny, allow_files or deny_files")
	}
	if err := m.Err(); err != nil {
		return nil, err
	}
	f.allow.open(&m, "allow_files", c.AllowFiles, env.Log)
	f.deny.open(&m, "deny_files", c.DenyFiles, env.Log)
	if err := m.Err(); err != nil {
		_ = f.Close() // has no error
		return nil, err
	}
	return f, nil
}

func (l *list) tell(m *filter.Mistakes, field string, texts, files []string) {
	l.given = len(texts)+len(files) > 0
	for i, text := range texts {
		p, err := ParsePrefix(text)
		if err != nil {
			m.Add(fmt.Sprintf("%s[%d]", field, i), "%s", err)
		}
		l.told = append(l.told, p)
	}
	for i, path := range files {
		if path == "" {
			m.Add(fmt.Sprintf("%s_files[%d]", field, i), "is empty: name a file")
		}
	}
	l.read = make([]atomic.Pointer[[]netip.Prefix], len(files))
	l.set.Store(NewSet(l.told...))
}

func (l *list) open(m *filter.Mistakes, field string, files []string, log *slog.Logger) {
	for i, path := range files {
		file, err := follow.Open(path, maxFile, log, func(content []byte) error {
			read, err := ParseList(content)
			if err == nil {
				l.read[i].Store(&read)
				l.put()
			}
			return err
		})
		if err != nil {
			m.Add(fmt.Sprintf("%s[%d]", field, i), "%s", err)
			continue
		}
		l.files = append(l.files, file)
	}
}

// put puts another set in the place of the one in use. Files change one at a time or so;
// who comes later has seen all that was stored before.
func (l *list) put() {
	for {
		before := l.set.Load()
		all := slices.Clone(l.told)
		for i := range l.read {
			if p := l.read[i].Load(); p != nil {
				all = append(all, *p...)
			}
		}
		if l.set.CompareAndSwap(before, NewSet(all...)) {
			return
		}
	}
}

// Request turns a request away, 403, whose client is not let in.
func (f *Filter) Request(_ context.Context, r *filter.Request) error {
	if f.deny.set.Load().Has(r.Client) || f.allow.given && !f.allow.set.Load().Has(r.Client) {
		return problem.New(problem.PermissionDenied, "requests from this address are not let in")
	}
	return nil
}

// Close follows files no more.
func (f *Filter) Close() error {
	for _, file := range slices.Concat(f.allow.files, f.deny.files) {
		_ = file.Close() // has no error
	}
	return nil
}
