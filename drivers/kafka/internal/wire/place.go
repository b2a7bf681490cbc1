package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
)

// maxPlace is the most bytes that a broker keeps beside an offset, by its default
// setting (offset.metadata.max.bytes).
const maxPlace = 4096

// ErrPlace says that a place cannot be read or written; to try again does not help.
var ErrPlace = errors.New("kafka: the group's place in a partition")

// Place is how far a group is in a lane. Its offset is what Kafka knows as the group's
// committed offset, the rest is written beside it.
type Place struct {
	Next  int64     // offset of the message that is next
	Count int       // how often that was delivered
	Out   bool      // a member has it
	Until time.Time // it is not delivered before
	// Topics are those that the group's members ever joined with, of this owner.
	Topics []string
}

type beside struct {
	Count  int      `json:"c,omitempty"`
	Out    bool     `json:"o,omitempty"`
	Until  int64    `json:"u,omitempty"` // milliseconds of Unix time
	Topics []string `json:"t"`           // without the owner
}

// Beside writes what is kept beside the offset. It fails for a group with so many topics
// that no broker keeps them.
func (p Place) Beside() (string, error) {
	b := beside{Count: p.Count, Out: p.Out, Topics: []string{}}
	if !p.Until.IsZero() {
		b.Until = p.Until.UnixMilli()
	}
	for _, t := range p.Topics {
		_, rest, _ := strings.Cut(t, ".")
		b.Topics = append(b.Topics, rest)
	}
	text, err := json.Marshal(b)
	if err == nil && len(text) > maxPlace {
		err = fmt.Errorf("%w: the group has %d topics of one owner, more than a broker keeps beside its place (%d bytes): use patterns, such as orders.*", ErrPlace, len(p.Topics), maxPlace)
	}
	return string(text), err
}

// ReadPlace reads a place of an owner's lane.
func ReadPlace(owner string, offset int64, text string) (Place, error) {
	p := Place{Next: offset}
	if text == "" { // another tool moved the group
		return p, nil
	}
	var b beside
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		return p, fmt.Errorf("%w: what is beside it is not the bus's: %w", ErrPlace, err)
	}
	p.Count, p.Out = b.Count, b.Out
	if b.Until != 0 {
		p.Until = time.UnixMilli(b.Until)
	}
	for _, t := range b.Topics {
		p.Topics = append(p.Topics, owner+"."+t)
	}
	return p, nil
}

// Union returns all topics of both, sorted, without those that another stands for.
func Union(a, b []string) []string {
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
	return slices.DeleteFunc(slices.Clone(all), func(t string) bool {
		return slices.ContainsFunc(all, func(p string) bool { return p != t && bus.Matches(p, t) })
	})
}

// Wanted reports whether one of the patterns stands for a topic.
func Wanted(patterns []string, topic string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return bus.Matches(p, topic) })
}
