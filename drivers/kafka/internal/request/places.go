package request

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/musterdev/muster/drivers/kafka/internal/wire"
)

// Places returns how far a group is in each lane where it is known.
func Places(ctx context.Context, client *kgo.Client, owner, group string) (map[int]wire.Place, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = wire.GroupOf(owner, group)
	t := kmsg.NewOffsetFetchRequestTopic()
	t.Topic = wire.LogOf(owner)
	for n := range int32(wire.Lanes) {
		t.Partitions = append(t.Partitions, n)
	}
	req.Topics = append(req.Topics, t)
	answer, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	switch err := kerr.ErrorForCode(answer.ErrorCode); {
	case errors.Is(err, kerr.GroupIDNotFound):
		return nil, nil // as brokers of another make say
	case err != nil:
		return nil, fmt.Errorf("kafka: the place of the group %s: %w", req.Group, err)
	}
	all := map[int]wire.Place{}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("kafka: the place of the group %s: %w", req.Group, err)
			}
			if p.Offset < 0 {
				continue
			}
			text := ""
			if p.Metadata != nil {
				text = *p.Metadata
			}
			place, err := wire.ReadPlace(owner, p.Offset, text)
			if err != nil {
				return nil, err
			}
			all[int(p.Partition)] = place
		}
	}
	return all, nil
}

// Commit writes places of a group and returns what became of each. Without a member it
// succeeds only for a group that has none.
func Commit(ctx context.Context, client *kgo.Client, owner, group, member string, generation int32, all map[int]wire.Place) (map[int]error, error) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = wire.GroupOf(owner, group), member, generation
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = wire.LogOf(owner)
	for n, place := range all {
		text, err := place.Beside()
		if err != nil {
			return nil, err
		}
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.Metadata = int32(n), place.Next, &text //nolint:gosec // lanes are few
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	answer, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	became := map[int]error{}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			became[int(p.Partition)] = kerr.ErrorForCode(p.ErrorCode)
		}
	}
	if len(became) != len(all) {
		return nil, fmt.Errorf("kafka: the broker answered for %d of %d places", len(became), len(all))
	}
	return became, nil
}
