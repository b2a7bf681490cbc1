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
// more goes into further ones. The server refuses a batch whole when it knows one of
// the messages: then they go one by one, until there is one that it does not know.
//
// While the broker is away Publish waits until ctx ends; whether the last try took
// effect is then not known, and publishing again is safe for two minutes. A store that
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
		if refused[owner] {
			for _, i := range indexes {
				if results[i].Err == nil {
					results[i].Err = bus.ErrBatch
				}
			}
			continue
		}
		storing.Go(func() { b.store(ctx, owner, msgs, indexes, results) })
	}
	storing.Wait()
	return results
}

// store stores the messages of one stream, and stops at the first that fails.
func (b *broker) store(ctx context.Context, owner string, msgs []bus.Msg, indexes []int, results []bus.Result) {
	singles, run := 0, 1 // how many to send one by one; the next time a batch has a known one, twice as many
	for len(indexes) > 0 {
		n := fitting(msgs, indexes)
		if singles > 0 {
			n = 1
		}
		known, err := b.storeBatch(ctx, owner, msgs, indexes[:n])
		if codeOf(err) == codeKnown && n > 1 {
			singles, run = run, 2*run
			continue
		}
		if err != nil {
			err = named(streamOf(owner), err)
			for _, i := range indexes {
				results[i].Err = err
			}
			return
		}
		if n == 1 {
			results[indexes[0]].Known = known
		}
		if singles > 0 && !known { // where one is known the next probably is
			singles--
		}
		indexes = indexes[n:]
	}
}

// fitting returns how many of the messages one batch takes, at least 1.
func fitting(msgs []bus.Msg, indexes []int) int {
	size := 0
	for n, i := range indexes {
		size += len(msgs[i].Data)
		if n == batchMessages || n > 0 && size > batchBytes {
			return n
		}
	}
	return len(indexes)
}

// stored is the server's answer to a message or a batch.
type stored struct {
	Duplicate bool                `json:"duplicate"`
	Batch     string              `json:"batch"`
	Count     int                 `json:"count"`
	Error     *jetstream.APIError `json:"error"`
}

// storeBatch stores messages all or none, a single one as such; known is only for
// that.
func (b *broker) storeBatch(ctx context.Context, owner string, msgs []bus.Msg, indexes []int) (known bool, err error) {
	incomplete := false
	err = b.insist(ctx, func(ctx context.Context) error {
		stream, err := b.stream(ctx, owner)
		if err != nil {
			return err
		}
		answer, err := b.send(ctx, stream.lanes, msgs, indexes, incomplete)
		if errors.Is(err, errNobody) {
			b.forget(owner)
		}
		incomplete = codeOf(err) == codeIncomplete
		known = answer.Duplicate
		return err
	})
	return known, err
}

// send sends a batch once and returns what the server says of it. The server answers
// to the last message alone, unless each asks for it: so the reason is found why an
// earlier one was refused.
func (b *broker) send(ctx context.Context, lanes int, msgs []bus.Msg, indexes []int, each bool) (stored, error) {
	down, err := b.online(ctx)
	if err != nil {
		return stored{}, err
	}
	id := rand.Text()
	last := len(indexes) - 1
	var others []*question
	for n, i := range indexes[:last] {
		m := encode(msgs[i], bus.Lane(msgs[i], lanes))
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
	i := indexes[last]
	m := encode(msgs[i], bus.Lane(msgs[i], lanes))
	if last > 0 {
		m.Header[headerBatch], m.Header[headerSequence], m.Header[headerCommit] = []string{id}, []string{strconv.Itoa(last + 1)}, []string{"1"}
	}
	reply, err := b.ask(ctx, down, m)
	if err != nil {
		return stored{}, err
	}
	answer, err := read(reply.Data)
	if err == nil && last > 0 && (answer.Batch != id || answer.Count != len(indexes)) {
		err = fmt.Errorf("nats: the server answered for the batch %q with %d messages instead of %q with %d", answer.Batch, answer.Count, id, len(indexes))
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
