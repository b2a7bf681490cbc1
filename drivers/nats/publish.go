package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/bus"
)

// The most that goes into one atomic batch. The server takes 1,000 messages.
const (
	batchMessages = 1000
	batchBytes    = 16 << 20
)

// Publish stores the messages of each stream (first topic segment) as one atomic
// batch, which costs one sync of the disk, up to 1,000 messages and 16 MiB; what is
// more goes into further ones. Calls that come while another's batch is on its way to
// the same stream share the next one, and each is told what became of its own: alone is
// at once, and a crowd costs a few syncs. The server refuses a batch whole when it knows one of
// the messages: then smaller ones are tried, until only the message that it knows is alone.
//
// While the broker is away Publish waits until ctx ends; whether the last try took
// effect is then not known, and publishing again is safe for two minutes. Their data may
// still be read then: do not write to it. A store that
// is full or fails is problem.Unavailable.
func (b *broker) Publish(ctx context.Context, msgs []bus.Msg) []bus.Result {
	results := make([]bus.Result, len(msgs))
	owners := map[string][]int{}
	refused := map[string]bool{}
	for i, m := range msgs {
		owner := ownerOf(m.Topic)
		owners[owner] = append(owners[owner], i)
		if err := m.Validate(); err != nil {
			results[i].Err = err
			refused[owner] = true
		}
	}
	var storing sync.WaitGroup
	for owner, indexes := range owners {
		switch {
		case refused[owner]:
			for _, i := range indexes {
				if results[i].Err == nil {
					results[i].Err = bus.ErrBatch
				}
			}
		case len(owners) == 1:
			b.queue(owner).put(ctx, b, msgs, indexes, results)
		default:
			storing.Go(func() { b.queue(owner).put(ctx, b, msgs, indexes, results) })
		}
	}
	storing.Wait()
	return results
}

// stored is the server's answer to a message or a batch.
type stored struct {
	Seq       uint64              `json:"seq"` // of the last one
	Duplicate bool                `json:"duplicate"`
	Batch     string              `json:"batch"`
	Count     int                 `json:"count"`
	Error     *jetstream.APIError `json:"error"`
}

// storeBatch stores messages all or none, a single one as such; known is only for
// that.
func (b *broker) storeBatch(ctx context.Context, q *queue, msgs []bus.Msg) (known bool, err error) {
	err = b.insist(ctx, func(ctx context.Context) error {
		stream, err := b.stream(ctx, q.owner)
		if err != nil {
			q.note(err)
			return err
		}
		mark := b.marks.Mark(streamOf(q.owner))
		answer, err := b.send(ctx, stream.lanes, msgs, false)
		if codeOf(err) == codeIncomplete {
			answer, err = b.send(ctx, stream.lanes, msgs, true)
		}
		q.note(err)
		if err == nil {
			b.confirmed(q.owner, answer, uint64(len(msgs)), mark)
		}
		if errors.Is(err, errNobody) {
			b.forget(q.owner)
		}
		known = answer.Duplicate
		return err
	})
	return known, err
}

// send sends a batch once and returns what the server says of it. The server answers
// to the last message alone, unless each asks for it: so the reason is found why an
// earlier one was refused.
func (b *broker) send(ctx context.Context, lanes int, msgs []bus.Msg, each bool) (stored, error) {
	down, err := b.online(ctx)
	if err != nil {
		return stored{}, err
	}
	id := rand.Text()
	last := len(msgs) - 1
	var others []*question
	for n, msg := range msgs[:last] {
		m := encode(msg, bus.Lane(msg, lanes))
		m.Header[headerBatch], m.Header[headerSequence] = []string{id}, []string{strconv.Itoa(n + 1)}
		if each {
			q := b.asks.put()
			defer q.drop()
			others = append(others, q)
			m.Reply = q.reply
		}
		if err := b.conn.PublishMsg(m); err != nil {
			return stored{}, err
		}
	}
	m := encode(msgs[last], bus.Lane(msgs[last], lanes))
	if last > 0 {
		m.Header[headerBatch], m.Header[headerSequence], m.Header[headerCommit] = []string{id}, []string{strconv.Itoa(last + 1)}, []string{"1"}
	}
	reply, err := b.ask(ctx, down, m)
	if err != nil {
		return stored{}, err
	}
	answer, err := read(reply.Data)
	if err == nil && last > 0 && (answer.Batch != id || answer.Count != len(msgs)) {
		err = fmt.Errorf("nats: the server answered for the batch %q with %d messages instead of %q with %d", answer.Batch, answer.Count, id, len(msgs))
	}
	for _, q := range others {
		select {
		case m := <-q.answer: // empty when it was taken
			if _, why := read(m.Data); len(m.Data) > 0 && why != nil && codeOf(why) != codeIncomplete {
				return answer, why
			}
		default:
		}
	}
	return answer, err
}

// read reads an answer of the server, whose error becomes one.
func read(data []byte) (stored, error) {
	var answer stored
	if err := json.Unmarshal(data, &answer); err != nil {
		return answer, fmt.Errorf("nats: the server's answer %.80q cannot be read: %w", data, err)
	}
	if answer.Error != nil {
		return answer, answer.Error
	}
	return answer, nil
}
