package nats

import (
	"context"
	"errors"
	"sync"

	natsgo "github.com/nats-io/nats.go"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/group"
)

// queue is where calls of Publish meet that have messages for the same stream. One of its
// flushes is under way at a time, so that messages are stored in the order in which they came.
type queue struct {
	owner string
	lane  group.Lane[*put]

	mu   sync.Mutex
	last error // of the last try
}

// put is what one call has for one stream, and what became of it. It is its own, for a
// flush may go on after the call has ended with its context.
type put struct {
	msgs    []bus.Msg
	results []bus.Result
}

// queue returns the one of an owner.
func (b *broker) queue(owner string) *queue {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[owner]
	if q == nil {
		q = &queue{owner: owner, lane: group.Lane[*put]{Most: batchMessages}}
		q.lane.Flush = func(ctx context.Context, puts []*put) ([]error, error) {
			b.flush(ctx, q, puts)
			return nil, nil //nolint:nilnil // each has its own results
		}
		b.queues[owner] = q
	}
	return q
}

// put stores some of a call's messages together with those of others.
func (q *queue) put(ctx context.Context, b *broker, msgs []bus.Msg, indexes []int, results []bus.Result) {
	p := &put{msgs: make([]bus.Msg, len(indexes)), results: make([]bus.Result, len(indexes))}
	for n, i := range indexes {
		p.msgs[n] = msgs[i]
	}
	if err := q.lane.Do(ctx, p); err != nil {
		if ctx.Err() != nil {
			err = b.gaveUp(ctx.Err(), q.trouble(b))
		}
		for _, i := range indexes {
			results[i].Err = named(streamOf(q.owner), err)
		}
		return
	}
	for n, i := range indexes {
		results[i] = p.results[n]
	}
}

// note keeps what became of the last try: who gives up tells it.
func (q *queue) note(err error) {
	q.mu.Lock()
	q.last = err
	q.mu.Unlock()
}

// trouble returns why messages had to wait here, nil for a broker that is away.
func (q *queue) trouble(b *broker) error {
	if b.Away() != nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last == nil {
		return errBehind
	}
	return q.last
}

// flush stores what several calls have, in batches as large as the server takes.
func (b *broker) flush(ctx context.Context, q *queue, puts []*put) {
	for len(puts) > 0 {
		n, size, messages := 0, 0, 0
		for ; n < len(puts); n++ {
			for _, m := range puts[n].msgs {
				size += len(m.Data)
			}
			if messages += len(puts[n].msgs); n > 0 && (messages > batchMessages || size > batchBytes) {
				break
			}
		}
		b.share(ctx, q, puts[:n])
		puts = puts[n:]
	}
}

// share stores what several calls have as one batch. Where that is refused because of one
// of them, halves are tried, and each alone in the end.
func (b *broker) share(ctx context.Context, q *queue, puts []*put) {
	if len(puts) == 1 {
		b.store(ctx, q, puts[0])
		return
	}
	var all []bus.Msg
	for _, p := range puts {
		all = append(all, p.msgs...)
	}
	_, err := b.storeBatch(ctx, q, all)
	if err != nil && ofOne(err) {
		half := len(puts) / 2
		b.share(ctx, q, puts[:half])
		b.share(ctx, q, puts[half:])
		return
	}
	for _, p := range puts {
		p.fail(0, named(streamOf(q.owner), err))
	}
}

// fail tells all of a call's messages from one on what became of them.
func (p *put) fail(from int, err error) {
	for i := range p.results[from:] {
		p.results[from+i].Err = err
	}
}

// ofOne reports whether a batch may have been refused because of one of its messages.
func ofOne(err error) bool {
	switch codeOf(err) {
	case codeKnown, codeTooLarge, codeHeaderTooLarge:
		return true
	}
	return errors.Is(err, natsgo.ErrMaxPayload)
}

// store stores what one call has, and stops at the first that fails.
func (b *broker) store(ctx context.Context, q *queue, p *put) {
	singles, run := 0, 1 // how many to send one by one; the next time a batch has a known one, twice as many
	for at := 0; at < len(p.msgs); {
		n := fitting(p.msgs[at:])
		if singles > 0 {
			n = 1
		}
		known, err := b.storeBatch(ctx, q, p.msgs[at:at+n])
		if codeOf(err) == codeKnown && n > 1 {
			singles, run = run, 2*run
			continue
		}
		if err != nil {
			p.fail(at, named(streamOf(q.owner), err))
			return
		}
		if n == 1 {
			p.results[at].Known = known
		}
		if singles > 0 && !known { // where one is known the next probably is
			singles--
		}
		at += n
	}
}

// fitting returns how many of the messages one batch takes, at least 1.
func fitting(msgs []bus.Msg) int {
	size := 0
	for n, m := range msgs {
		size += len(m.Data)
		if n == batchMessages || n > 0 && size > batchBytes {
			return n
		}
	}
	return len(msgs)
}
