package kafka

import (
	"context"
	"errors"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/kafka/internal/request"
	"github.com/musterdev/muster/drivers/kafka/internal/wire"
)

// Publish stores messages, each with a result of its own, and returns when all replicas
// in sync have them. What is refused takes those behind it of its key and first topic
// segment with it ([bus.ErrBehind]).
//
// While the broker is away Publish waits until ctx ends; whether the last try took
// effect is then not known, and publishing again may store a message twice.
func (b *broker) Publish(ctx context.Context, msgs []bus.Msg) []bus.Result {
	results := make([]bus.Result, len(msgs))
	type lineKey struct{ owner, key string }
	refused := map[lineKey]bool{}
	var open []int
	for i, m := range msgs {
		line := lineKey{wire.OwnerOf(m.Topic), m.Key}
		switch err := m.Validate(); {
		case err != nil:
			results[i].Err = err
			refused[line] = true
		case m.Key != "" && refused[line]:
			results[i].Err = bus.ErrBehind
		default:
			open = append(open, i)
		}
	}
	err := b.insist(ctx, func(ctx context.Context) error {
		var err error
		open, err = b.store(ctx, msgs, open)
		return err
	})
	for _, i := range open {
		if err != nil {
			results[i].Err = err
		}
	}
	return results
}

// store sends messages once and returns those that are not stored, in their order. The
// client numbers what it sends, so that the broker takes none behind one that it lacks.
func (b *broker) store(ctx context.Context, msgs []bus.Msg, open []int) (left []int, err error) {
	if len(open) == 0 {
		return nil, nil
	}
	for _, i := range open {
		if err := b.ensure(ctx, wire.OwnerOf(msgs[i].Topic)); err != nil {
			return open, err
		}
	}
	var (
		mu     sync.Mutex
		became = make([]error, len(open))
		after  = len(open)
		done   = make(chan struct{})
	)
	for j := range became {
		became[j] = errUnknown
	}
	for j, i := range open {
		b.client.Produce(ctx, wire.Encode(msgs[i], Lanes), func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			became[j] = err
			if after--; after == 0 {
				close(done)
			}
		})
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	for j, i := range open {
		if became[j] == nil {
			continue
		}
		if errors.Is(became[j], kerr.UnknownTopicOrPartition) {
			b.forget(wire.OwnerOf(msgs[i].Topic))
		}
		left = append(left, i)
		if err == nil {
			err = became[j]
		}
	}
	return left, err
}

var errUnknown = errors.New("the broker has not confirmed it")

// ensure has an owner's log be there.
func (b *broker) ensure(ctx context.Context, owner string) error {
	b.mu.Lock()
	there := b.logs[owner]
	b.mu.Unlock()
	if there {
		return nil
	}
	if err := b.insist(ctx, func(ctx context.Context) error { return request.Make(ctx, b.client, owner) }); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logs[owner] = true
	return nil
}

// forget has an owner's log looked for again.
func (b *broker) forget(owner string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.logs, owner)
}
