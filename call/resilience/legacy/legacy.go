// Package legacy reads the settings of other libraries of policies, Resilience4j and
// Hystrix, as [resilience.Settings], and tells for each key that has no counterpart
// why, so that nothing is lost unnoticed. What a file does not name keeps Muster's
// default, not that of the other library.
package legacy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// Import is what a file said.
type Import struct {
	Targets map[string]resilience.Settings // by the name of the instance or command; each passes Validate
	Notes   []Note                         // in the order of the file
}

// Note tells of one key that was not carried over, or that means something else now.
type Note struct {
	File    string
	Line    int    // from 1
	Key     string // as far as it can be told, as written
	Value   string
	Carried bool // it was, and Reason says what differs
	Reason  string
}

// String returns one line: file:line: key: reason.
func (n Note) String() string {
	what := "not carried over"
	if n.Carried {
		what = "carried over"
	}
	return fmt.Sprintf("%s:%d: %s: %s: %s", n.File, n.Line, n.Key, what, n.Reason)
}

// draft is one target while it is read.
type draft struct {
	settings resilience.Settings

	// what takes two keys to understand
	windowSize, windowType *property
	slowAfter, slowCalls   *property
	wait, queue, rejects   *property
	off                    bool // the breaker is switched off
}

// setter reads one key's value into a draft. It returns why it cannot, or why what it
// set means something else now.
type setter func(d *draft, p property) (carried bool, reason string)

type importer struct {
	file  string
	notes map[string]Note // by line and key, as a base is read for each that builds on it
}

func (im *importer) note(p property, carried bool, format string, args ...any) {
	n := Note{im.file, p.line, p.text, p.value, carried, fmt.Sprintf(format, args...)}
	im.notes[fmt.Sprintf("%d %s", p.line, p.text)] = n
}

// apply reads one key. Where the outcome would not pass Validate it is undone.
func (im *importer) apply(d *draft, p property, table map[string]setter, key string) {
	set, known := table[key]
	if !known {
		hint := ""
		if near := problem.Nearest(key, slices.Collect(maps.Keys(table))); near != "" {
			hint = fmt.Sprintf("; is %q meant?", near)
		}
		im.note(p, false, "the key is not known%s", hint)
		return
	}
	if p.list {
		p.value = "a list"
	}
	before := d.settings.Clone()
	carried, reason := set(d, p)
	if reason != "" {
		im.note(p, carried, "%s", reason)
	}
	im.check(d, before, p)
}

// check undoes a change that left the settings out of their range.
func (im *importer) check(d *draft, before resilience.Settings, p property) {
	err := problem.From(d.settings.Validate())
	if err == nil {
		return
	}
	d.settings = before
	for _, detail := range err.Details {
		im.note(p, false, "%s %s", detail.Field, detail.Reason)
	}
}

// result returns the notes in the order of the file.
func (im *importer) result(targets map[string]resilience.Settings) Import {
	notes := slices.SortedFunc(maps.Values(im.notes), func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
	})
	return Import{targets, notes}
}

func (d *draft) breaker() *resilience.BreakerSettings {
	if d.settings.Breaker == nil {
		d.settings.Breaker = &resilience.BreakerSettings{}
	}
	return d.settings.Breaker
}

func (d *draft) bulkhead() *resilience.BulkheadSettings {
	if d.settings.Bulkhead == nil {
		d.settings.Bulkhead = &resilience.BulkheadSettings{}
	}
	return d.settings.Bulkhead
}

// number sets a whole number from 1 on.
func number(field func(*draft) *int) setter {
	return func(d *draft, p property) (bool, string) {
		n, err := p.number()
		if err != nil {
			return false, err.Error()
		}
		if n < 1 {
			return false, fmt.Sprintf("%d means nothing here; it goes from 1 up", n)
		}
		*field(d) = n
		return true, ""
	}
}

// percent sets a share that is written as a number from 1 to 100.
func percent(field func(*draft) *resilience.Share) setter {
	return func(d *draft, p property) (bool, string) {
		v, err := p.percent()
		if err != nil {
			return false, err.Error()
		}
		*field(d) = v
		return true, ""
	}
}

// span sets a duration above 0.
func span(field func(*draft) *time.Duration) setter {
	return func(d *draft, p property) (bool, string) {
		v, err := p.duration()
		if err != nil {
			return false, err.Error()
		}
		if v <= 0 {
			return false, fmt.Sprintf("%s means nothing here; it goes from above 0", v)
		}
		*field(d) = v
		return true, ""
	}
}

// without is a key that has no counterpart.
func without(reason string) setter {
	return func(*draft, property) (bool, string) { return false, reason }
}

// keep remembers a key that is understood together with another.
func keep(at func(*draft) **property) setter {
	return func(d *draft, p property) (bool, string) {
		*at(d) = &p
		return true, ""
	}
}
