package jwt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Revocation says which tokens count no more: exactly one of ID, Subject and Session. The file
// that Config.Denied names has one a line, as JSON:
//
//	{"jti": "3f2a9c"}
//	{"sub": "alice", "before": "2026-11-23T10:00:00Z"}
//	{"sid": "s-17", "iss": "https://login.example"}
type Revocation struct {
	ID      string `json:"jti,omitempty"` // one token
	Subject string `json:"sub,omitempty"` // all tokens whose claim sub it is
	Session string `json:"sid,omitempty"` // all tokens of a session, as after a logout
	Issuer  string `json:"iss,omitempty"` // only those of this issuer; "" any
	// Before spares the tokens that were issued then or later; only with Subject or Session.
	// Zero: none is spared.
	Before time.Time `json:"before,omitzero"`
}

func (r Revocation) check() error {
	named := 0
	for _, s := range []string{r.ID, r.Subject, r.Session} {
		if s != "" {
			named++
		}
	}
	switch {
	case named != 1:
		return errors.New("exactly one of jti, sub and sid must be there")
	case r.ID != "" && !r.Before.IsZero():
		return errors.New("before goes with sub or sid: one token was issued once")
	}
	return nil
}

// Limits of what is denied.
const (
	maxDenied     = 32 << 20 // bytes of the file
	maxRevocation = 1 << 20  // revocations, those of the file and others each
)

// what a revocation is looked up by.
type what struct{ kind, issuer, name string }

func (r Revocation) what() what {
	switch {
	case r.ID != "":
		return what{"jti", r.Issuer, r.ID}
	case r.Subject != "":
		return what{"sub", r.Issuer, r.Subject}
	}
	return what{"sid", r.Issuer, r.Session}
}

// denied has the revocations in force. Its methods are safe for concurrent use.
type denied struct {
	list atomic.Pointer[revocations]

	mu    sync.Mutex
	file  map[what]time.Time
	given map[what]time.Time
}

// revocations never change. Each list has its number, from 1.
type revocations struct {
	number uint64
	// before has the time before which a token must have been issued to be revoked; zero: any.
	before map[what]time.Time
}

// setFile takes the content of the file into use.
func (d *denied) setFile(content []byte) error {
	all := map[what]time.Time{}
	number := 0
	for line := range bytes.Lines(content) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		var r Revocation
		err := dec.Decode(&r)
		if err == nil && dec.More() {
			err = errors.New("something follows the object")
		}
		if err == nil {
			err = r.check()
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		widen(all, r)
		if len(all) > maxRevocation {
			return fmt.Errorf("line %d: more than %d revocations", number, maxRevocation)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.file = all
	d.publish()
	return nil
}

// add takes one more into use.
func (d *denied) add(r Revocation) error {
	if err := r.check(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.given) >= maxRevocation {
		return fmt.Errorf("more than %d revocations", maxRevocation)
	}
	if d.given == nil {
		d.given = map[what]time.Time{}
	}
	widen(d.given, r)
	d.publish()
	return nil
}

func (d *denied) publish() {
	next := &revocations{number: 1, before: maps.Clone(d.file)}
	if next.before == nil {
		next.before = map[what]time.Time{}
	}
	for w, before := range d.given {
		widenTo(next.before, w, before)
	}
	if l := d.list.Load(); l != nil {
		next.number = l.number + 1
	}
	d.list.Store(next)
}

func widen(all map[what]time.Time, r Revocation) { widenTo(all, r.what(), r.Before) }

// widenTo notes a revocation; of two of the same, what either says is revoked.
func widenTo(all map[what]time.Time, w what, before time.Time) {
	if old, ok := all[w]; ok && (old.IsZero() || !before.IsZero() && before.Before(old)) {
		before = old
	}
	all[w] = before
}

// denies reports whether a token counts no more. What was found to hold is not looked up
// again before the list changes.
func (d *denied) denies(v *verdict) bool {
	l := d.list.Load()
	if l == nil || v.spared.Load() == l.number {
		return false
	}
	for _, w := range [...]what{{"jti", "", v.id}, {"sub", "", v.sub}, {"sid", "", v.session}} {
		for _, w.issuer = range [...]string{"", v.subject.Issuer} {
			before, found := l.before[w]
			if found && w.name != "" && (before.IsZero() || v.issued.Before(before)) {
				return true
			}
		}
	}
	v.spared.Store(l.number)
	return false
}
