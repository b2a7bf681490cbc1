package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/nats/internal/many"
)

// Lag asks the server about each lane.
func (s *subscriber) Lag(ctx context.Context) (bus.Lag, error) {
	s.mu.Lock()
	lanes := s.lanes
	s.mu.Unlock()
	var total tally
	err := s.broker.insist(ctx, func(ctx context.Context) error {
		total = tally{}
		return many.Each(ctx, lanes, func(ctx context.Context, l *lane) error {
			c, err := s.broker.js.Consumer(ctx, l.stream, l.consumer)
			if errors.Is(err, jetstream.ErrConsumerNotFound) {
				return errNobody // Receive makes it again
			}
			if err != nil {
				return err
			}
			stream, err := s.broker.stream(ctx, l.owner)
			if err != nil {
				return err
			}
			return total.add(ctx, stream, c.CachedInfo())
		})
	})
	return total.lag(), err
}

// tally adds up consumers.
type tally struct {
	mu       sync.Mutex
	messages int64
	pending  int64
	oldest   time.Time
}

func (t *tally) lag() bus.Lag {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := bus.Lag{Messages: t.messages}
	if t.messages > 0 && !t.oldest.IsZero() {
		l.Oldest = max(0, time.Since(t.oldest))
	}
	return l
}

// add adds a consumer of a stream: what is not settled, and since when.
func (t *tally) add(ctx context.Context, stream jetstream.Stream, c *jetstream.ConsumerInfo) error {
	n := int64(c.NumPending) + int64(c.NumAckPending) //nolint:gosec // a count of messages
	if n == 0 {
		return nil
	}
	var oldest time.Time
	for _, subject := range filters(c.Config) {
		m, err := stream.GetMsg(ctx, c.AckFloor.Stream+1, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if oldest.IsZero() || m.Time.Before(oldest) {
			oldest = m.Time
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.messages += n
	t.pending += int64(c.NumAckPending)
	if !oldest.IsZero() && (t.oldest.IsZero() || oldest.Before(t.oldest)) {
		t.oldest = oldest
	}
	return nil
}

// all returns the bus's streams.
func (b *broker) all(ctx context.Context) ([]jetstream.Stream, error) {
	names := b.js.StreamNames(ctx, jetstream.WithStreamListSubject(subjectPrefix+">"))
	var streams []jetstream.Stream
	for name := range names.Name() {
		s, err := b.js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		if _, err := lanesOf(s.CachedInfo().Config); err == nil && strings.HasPrefix(name, streamPrefix) {
			streams = append(streams, s)
		}
	}
	return streams, names.Err()
}

// Topics returns what the server keeps. It waits for a broker that is away.
func (b *broker) Topics(ctx context.Context) ([]bus.TopicInfo, error) {
	var topics map[string]bus.TopicInfo
	err := b.insist(ctx, func(ctx context.Context) error {
		topics = map[string]bus.TopicInfo{}
		streams, err := b.all(ctx)
		if err != nil {
			return err
		}
		for _, s := range streams {
			info, err := s.Info(ctx, jetstream.WithSubjectFilter(subjectPrefix+">"))
			if err != nil {
				return err
			}
			for subject, n := range info.State.Subjects {
				if name, ok := topicOf(subject); ok {
					t := topics[name]
					topics[name] = bus.TopicInfo{Name: name, Messages: t.Messages + n, Last: info.State.LastTime}
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("nats: list the topics: %w", err)
	}
	return slices.SortedFunc(maps.Values(topics), func(a, b bus.TopicInfo) int { return cmp.Compare(a.Name, b.Name) }), nil
}

// Groups returns the groups that the server knows. It waits for a broker that is away.
func (b *broker) Groups(ctx context.Context) ([]bus.GroupInfo, error) {
	var groups map[string]bus.GroupInfo
	var tallies map[string]*tally
	err := b.insist(ctx, func(ctx context.Context) error {
		groups, tallies = map[string]bus.GroupInfo{}, map[string]*tally{}
		streams, err := b.all(ctx)
		if err != nil {
			return err
		}
		for _, s := range streams {
			list := s.ListConsumers(ctx)
			var consumers []*jetstream.ConsumerInfo
			for c := range list.Info() {
				name := c.Config.Metadata[groupKey]
				if name == "" {
					continue
				}
				consumers = append(consumers, c)
				g := groups[name]
				g.Name, g.Topics = name, union(g.Topics, strings.Fields(c.Config.Metadata[topicsKey]))
				groups[name] = g
				if tallies[name] == nil {
					tallies[name] = &tally{}
				}
			}
			if err := list.Err(); err != nil {
				return err
			}
			if err := many.Each(ctx, consumers, func(ctx context.Context, c *jetstream.ConsumerInfo) error {
				return tallies[c.Config.Metadata[groupKey]].add(ctx, s, c)
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("nats: list the groups: %w", err)
	}
	for name, g := range groups {
		lag := tallies[name].lag()
		g.Lag, g.Oldest, g.Pending = lag.Messages, lag.Oldest, tallies[name].pending
		groups[name] = g
	}
	return slices.SortedFunc(maps.Values(groups), func(a, b bus.GroupInfo) int { return cmp.Compare(a.Name, b.Name) }), nil
}
