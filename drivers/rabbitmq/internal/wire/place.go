// Package wire is what the driver writes at the broker: events, the names of queues, and
// the notes by which the members of a group know how far it is. It talks to nobody.
package wire

import (
	"encoding/json"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/musterdev/muster/bus"
)

// The kinds of messages in the queue of a place: AMQP's type.
const (
	KindPlace = "place" // how far the group is; of several the one with the highest version holds
	KindProbe = "probe" // from a new active consumer to itself: when it comes, all before it have come
	KindJoin  = "join"  // a member joins
	KindAsk   = "ask"   // how far is the group behind?
)

// Oldest as a place's offset is the first message that the stream has.
const Oldest = -1

// Place is how far a group is in a lane.
type Place struct {
	Version int64    `json:"version"`          // of the writings of one lane and group; from 1
	Next    int64    `json:"next"`             // the offset of the first message that is not settled, or Oldest
	Count   int      `json:"count,omitempty"`  // how often that was delivered and came back
	Out     bool     `json:"out,omitempty"`    // it is with a handler
	Passed  int      `json:"passed,omitempty"` // how often members handed it on that do not want it
	After   int64    `json:"after,omitempty"`  // not before this, in milliseconds of Unix time
	Topics  []string `json:"topics"`           // of all members
}

// Join is what a member says that joins.
type Join struct {
	Topics []string `json:"topics"`
	Latest bool     `json:"latest"`
}

// Standing is what the one who holds a lane says of it.
type Standing struct {
	Messages int64 `json:"messages"`
	Oldest   int64 `json:"Oldest"` // milliseconds
}

// Union returns the topics of two lists, without those that another stands for.
func Union(a, b []string) []string {
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
	return slices.DeleteFunc(slices.Clone(all), func(t string) bool {
		return slices.ContainsFunc(all, func(p string) bool { return p != t && bus.Matches(p, t) })
	})
}

// Wanted reports whether a topic is one of those that topics and patterns stand for.
func Wanted(topics []string, topic string) bool {
	return slices.ContainsFunc(topics, func(p string) bool { return bus.Matches(p, topic) })
}

// Note writes a message for the queue of a place.
func Note(kind string, body any) (amqp.Publishing, error) {
	data, err := json.Marshal(body)
	return amqp.Publishing{Type: kind, ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: data}, err
}

// Election finds the place among what a new active consumer gets until its own probe
// comes: what the one before it may have left unacknowledged, and what members said.
type Election struct {
	Probe string // the message id
	best  Place
	Joins []amqp.Delivery
	Asks  []amqp.Delivery
	begin Join // what the first that joined asked for; for a group that has no place
	any   bool // begin is set
	Tags  []uint64
	Bad   error // of a message that could not be read
}

// Add takes one delivery and reports whether it was the probe.
func (e *Election) Add(d amqp.Delivery) (done bool) {
	e.Tags = append(e.Tags, d.DeliveryTag)
	switch d.Type {
	case KindProbe:
		return d.MessageId == e.Probe
	case KindPlace:
		var p Place
		if err := json.Unmarshal(d.Body, &p); err != nil {
			e.Bad = err
		} else if p.Version > e.best.Version {
			e.best = p
		}
	case KindJoin:
		e.Joins = append(e.Joins, d)
		var j Join
		if err := json.Unmarshal(d.Body, &j); err != nil {
			e.Bad = err
		} else if e.begin.Topics = Union(e.begin.Topics, j.Topics); !e.any {
			e.begin.Latest, e.any = j.Latest, true
		}
	case KindAsk:
		e.Asks = append(e.Asks, d)
	}
	return false
}

// Result returns the place to begin with, and whether it is at the end of the stream,
// which a mark is to find.
func (e *Election) Result() (p Place, latest bool) {
	p = e.best
	p.Topics = Union(p.Topics, e.begin.Topics)
	if p.Version == 0 {
		p.Next, latest = Oldest, e.begin.Latest
	}
	if p.Out { // who had it is gone
		p.Out = false
		p.Count++
	}
	p.Version++
	return p, latest
}

// Settled returns the place behind a message.
func (p Place) Settled(offset int64) Place {
	return Place{Version: p.Version + 1, Next: offset + 1, Topics: p.Topics}
}

// Given returns the place while the message at its offset is with a handler.
func (p Place) Given() Place {
	p.Version++
	p.Out = true
	return p
}

// Refused returns the place when the message came back, not to be given out before a time.
func (p Place) Refused(after time.Time) Place {
	p.Version++
	p.Out = false
	p.Count++
	p.After = 0
	if !after.IsZero() {
		p.After = after.UnixMilli()
	}
	return p
}

// HandedOn returns the place when the message is handed on to another member.
func (p Place) HandedOn() Place {
	p.Version++
	p.Passed++
	return p
}

// Joined returns the place with more topics, and whether it differs.
func (p Place) Joined(topics []string) (Place, bool) {
	all := Union(p.Topics, topics)
	if slices.Equal(all, p.Topics) {
		return p, false
	}
	p.Version++
	p.Topics = all
	return p, true
}
