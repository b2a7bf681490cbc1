package nats

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/musterdev/muster/bus"
)

// arrived takes what the server sends for the lanes: messages, or why there is none.
// It is called by one goroutine at a time.
func (s *subscriber) arrived(m *natsgo.Msg) {
	if i, err := strconv.Atoi(strings.TrimPrefix(m.Subject, s.inbox)); err == nil { // a message has its own subject
		s.status(i, m.Header.Get("Status"), m.Header.Get("Description"))
		return
	}
	r := &receipt{subscriber: s, reply: m.Reply, touched: time.Now()}
	l := s.read(r, m)
	if l == nil {
		return
	}
	s.mu.Lock()
	l.asked = time.Time{}
	s.trouble = 0
	closed := s.closed
	if !closed {
		if len(s.ready) == 0 {
			s.aged.Reset(keep)
		}
		s.ready = append(s.ready, r)
	}
	s.mu.Unlock()
	if closed {
		_ = s.broker.conn.Publish(r.reply, []byte("-NAK")) // or the lease ends
		return
	}
	s.wake()
}

// read makes a delivery of a message and returns its lane; nil for one that is not for
// this member, which it settles.
func (s *subscriber) read(r *receipt, m *natsgo.Msg) *lane {
	meta, err := m.Metadata()
	if err != nil {
		s.broker.log.Error("got what is no message of a consumer", "subject", m.Subject, "error", err)
		return nil
	}
	s.mu.Lock()
	n := slices.IndexFunc(s.lanes, func(l *lane) bool { return l.stream == meta.Stream && l.consumer == meta.Consumer })
	if n < 0 {
		s.mu.Unlock()
		return nil // of before the group was set up again
	}
	l := s.lanes[n]
	s.mu.Unlock()
	if meta.NumDelivered == 1 {
		s.broker.delivered(meta.Stream, meta.Consumer, meta.Sequence.Stream)
	}
	msg, err := decode(m)
	if err != nil {
		s.broker.log.Error("dropped a message of the stream that is no event; who wrote it there?", "stream", meta.Stream, "sequence", meta.Sequence.Stream, "error", err)
		_ = s.broker.conn.Publish(m.Reply, []byte("+TERM it is no event")) // or it comes again
		s.asked(l)
		return nil
	}
	r.Delivery = bus.Delivery{
		Msg: msg, Group: s.Group, Count: int(min(meta.NumDelivered, 1<<30)),
		Seq: meta.Sequence.Stream, Stored: meta.Timestamp, Receipt: r,
	}
	if !wanted(s.Topics, msg.Topic) && r.Count <= handOns {
		go s.pass(l, m, msg.Topic)
		return nil
	}
	return l
}

// Another member's message is handed on so often, and waits so long each time.
const (
	handOns   = 4
	passAfter = 500 * time.Millisecond
)

func wanted(topics []string, topic string) bool {
	return slices.ContainsFunc(topics, func(p string) bool { return bus.Matches(p, topic) })
}

// asked notes that the request for a message of a lane is used up.
func (s *subscriber) asked(l *lane) {
	s.mu.Lock()
	l.asked = time.Time{}
	s.mu.Unlock()
	s.wake()
}

// pass hands on a message that another member asked for and this one did not. One that
// no member did is done with: it came by a filter that is wider than the topics.
func (s *subscriber) pass(l *lane, m *natsgo.Msg, topic string) {
	ctx, cancel := context.WithTimeout(context.Background(), lease/2)
	defer cancel()
	verdict := fmt.Appendf(nil, `-NAK {"delay":%d}`, passAfter.Nanoseconds())
	if c, err := s.broker.js.Consumer(ctx, l.stream, l.consumer); err == nil && !wanted(strings.Fields(c.CachedInfo().Config.Metadata[topicsKey]), topic) {
		verdict = []byte("+ACK")
	}
	_ = s.broker.conn.Publish(m.Reply, verdict) // or its lease ends
	s.asked(l)
}

// status takes the server's word that a request for a message ended without one.
func (s *subscriber) status(i int, code, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code == "100" || s.closed || i >= len(s.lanes) {
		return
	}
	switch code {
	case "408", "404": // it ran out
		s.lanes[i].asked = time.Time{}
	default: // 503: there is no such consumer; 409: it was deleted, or the server ends
		s.lanes[i].asked = time.Time{}
		if !s.broken {
			s.broker.log.Debug("a lane is not served; setting the group up again", "group", s.Group, "stream", s.lanes[i].stream, "status", code, "description", description)
			s.trouble++
		}
		s.broken = true
		s.broker.forget(s.lanes[i].owner)
	}
	s.wake()
}

// handBack gives others what has waited too long for Receive.
func (s *subscriber) handBack() {
	s.mu.Lock()
	now := time.Now()
	n := 0
	for n < len(s.ready) && now.Sub(s.ready[n].touched) >= keep {
		n++
	}
	old := s.ready[:n:n]
	s.ready = s.ready[n:]
	if len(s.ready) > 0 && !s.closed {
		s.aged.Reset(keep - now.Sub(s.ready[0].touched))
	}
	s.mu.Unlock()
	for _, r := range old {
		_ = s.broker.conn.Publish(r.reply, []byte("-NAK")) // or the lease ends
	}
}
