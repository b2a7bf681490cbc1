package kafka

import (
	"context"
	"errors"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/musterdev/muster/drivers/kafka/internal/wire"

	"github.com/musterdev/muster/bus/away"
)

// How much of a lane is fetched ahead.
const (
	aheadRecords = 256
	aheadBytes   = 2 << 20
)

// fetch reads the lanes that are here until ctx ends. It alone says what is read, so
// that nothing comes of a lane that was given up and taken again meanwhile.
func (x *session) fetch(ctx context.Context) {
	reading := map[int]*lane{}
	for ctx.Err() == nil {
		x.follow(reading)
		polling, cancel := context.WithCancel(ctx)
		interrupted := make(chan struct{})
		go func() {
			defer close(interrupted)
			select {
			case <-x.changed:
				cancel()
			case <-polling.Done():
			}
		}()
		got := x.client.PollFetches(polling)
		cancel()
		<-interrupted
		x.mu.Lock()
		got.EachPartition(func(p kgo.FetchTopicPartition) {
			l := reading[int(p.Partition)]
			if p.Topic != wire.LogOf(x.owner) || l == nil || l.gone {
				return
			}
			for _, r := range p.Records {
				l.records = append(l.records, r)
				l.bytes += len(r.Value)
			}
		})
		x.mu.Unlock()
		x.wake()
		got.EachError(func(topic string, _ int32, err error) {
			if topic == "" { // it was interrupted
				return
			}
			level := slog.LevelDebug
			if _, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
				level = slog.LevelError
			}
			x.log.Log(ctx, level, "reading failed; trying again", "error", err)
			_ = away.Rest(ctx, away.Pause(0)) // ctx is looked at above
		})
	}
}

// follow has the client read what is here, as far as it is wanted.
func (x *session) follow(reading map[int]*lane) {
	name := wire.LogOf(x.owner)
	var gone, stop, start []int32
	fresh := map[int32]kgo.Offset{}
	x.mu.Lock()
	for n, l := range reading {
		if x.lanes[n] != l {
			gone = append(gone, int32(n)) //nolint:gosec // lanes are few, here and below
			delete(reading, n)
		}
	}
	for n, l := range x.lanes {
		if reading[n] == nil {
			fresh[int32(n)] = kgo.NewOffset().At(l.place.Next) //nolint:gosec // see above
			reading[n] = l
			start = append(start, int32(n)) //nolint:gosec // see above
		}
		switch full := len(l.records) >= aheadRecords || l.bytes >= aheadBytes; {
		case full && !l.paused:
			l.paused = true
			stop = append(stop, int32(n)) //nolint:gosec // see above
		case l.paused && len(l.records) < aheadRecords/2 && l.bytes < aheadBytes/2:
			l.paused = false
			start = append(start, int32(n)) //nolint:gosec // see above
		}
	}
	x.mu.Unlock()
	if len(gone) > 0 {
		x.client.RemoveConsumePartitions(map[string][]int32{name: gone})
	}
	if len(stop) > 0 {
		x.client.PauseFetchPartitions(map[string][]int32{name: stop})
	}
	if len(start) > 0 {
		x.client.ResumeFetchPartitions(map[string][]int32{name: start})
	}
	if len(fresh) > 0 {
		x.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{name: fresh})
	}
}
