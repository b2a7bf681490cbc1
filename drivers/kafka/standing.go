package kafka

import (
	"cmp"
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/kafka/internal/request"
	"github.com/musterdev/muster/drivers/kafka/internal/wire"
)

// counted is how many messages of a lane are looked at for a count.
const counted = 1000

// section is a part of a lane, up to before an offset.
type section struct{ from, before int64 }

// read calls each for the messages of sections of an owner's log, lane by lane in their
// order, until it has seen all or ctx ends.
func (b *broker) read(ctx context.Context, owner string, parts map[int]section, each func(lane int, r *kgo.Record)) error {
	from := map[int32]kgo.Offset{}
	for n, p := range parts {
		if p.from < p.before {
			from[int32(n)] = kgo.NewOffset().At(p.from) //nolint:gosec // lanes are few
		}
	}
	if len(from) == 0 {
		return nil
	}
	select { // few at a time: it reads much
	case b.looking <- struct{}{}:
		defer func() { <-b.looking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	client, err := b.asking(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{wire.LogOf(owner): from}), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	for len(from) > 0 {
		got := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
		var failed error
		got.EachPartition(func(p kgo.FetchTopicPartition) {
			failed = cmp.Or(failed, p.Err)
			part := parts[int(p.Partition)]
			for _, r := range p.Records {
				if _, open := from[p.Partition]; open && r.Offset < part.before {
					each(int(p.Partition), r)
				}
				if r.Offset+1 >= part.before {
					delete(from, p.Partition)
				}
			}
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}

// standing is how far a group is behind in the log of one owner.
type standing struct {
	lag    bus.Lag
	out    int64
	topics []string
}

// behind looks how far a group is behind whose places are known.
func (b *broker) behind(ctx context.Context, owner string, known map[int]wire.Place) (st standing, err error) {
	begins, err := request.Offsets(ctx, b.client, owner, request.Beginning)
	if err != nil {
		return st, err
	}
	ends, err := request.Offsets(ctx, b.client, owner, request.End)
	if err != nil {
		return st, err
	}
	parts := map[int]section{}
	for n, p := range known {
		st.topics = wire.Union(st.topics, p.Topics)
		if p.Out {
			st.out++
		}
		part := section{max(p.Next, begins[n]), ends[n]}
		if part.before-part.from > counted {
			st.lag.Messages += part.before - part.from - counted
			part.before = part.from + counted
		}
		parts[n] = part
	}
	now, oldest := time.Now(), time.Time{}
	err = b.read(ctx, owner, parts, func(_ int, r *kgo.Record) {
		if !wire.Wanted(st.topics, wire.TopicOf(r)) {
			return
		}
		st.lag.Messages++
		if oldest.IsZero() || r.Timestamp.Before(oldest) {
			oldest = r.Timestamp
		}
	})
	if !oldest.IsZero() {
		st.lag.Oldest = max(now.Sub(oldest), time.Millisecond)
	}
	return st, err
}

// Lag asks the broker about each of the group's owners, and reads what is behind.
func (s *subscriber) Lag(ctx context.Context) (lag bus.Lag, err error) {
	for _, x := range s.sessions {
		err := s.broker.insist(ctx, func(ctx context.Context) error {
			known, err := request.Places(ctx, s.broker.client, x.owner, s.Group)
			if err != nil {
				return err
			}
			st, err := s.broker.behind(ctx, x.owner, known)
			if err == nil {
				lag.Messages += st.lag.Messages
				lag.Oldest = max(lag.Oldest, st.lag.Oldest)
			}
			return err
		})
		if err != nil {
			return bus.Lag{}, err
		}
	}
	return lag, nil
}
