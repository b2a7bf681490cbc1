// Package request is what the bus asks of Kafka: to make a log, where it begins and ends,
// how far a group is in it, and to belong to a group. Each is one request, or few, that is
// not tried again here.
package request

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/musterdev/muster/drivers/kafka/internal/wire"
)

// keptFor is how long messages are kept.
const keptFor = 7 * 24 * time.Hour

// ErrOther says that a Kafka topic of the bus's name is not as the bus makes it.
var ErrOther = errors.New("it was made by somebody else: remove it, or have it made anew")

// createWait is how long brokers may take to make a log.
const createWait = 5 * time.Second

// Make makes an owner's log unless it is there, and looks at what is there.
func Make(ctx context.Context, client *kgo.Client, owner string) error {
	name := wire.LogOf(owner)
	n, err := partitions(ctx, client, name)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, wire.Lanes, -1
		for key, value := range map[string]string{
			"retention.ms": strconv.FormatInt(keptFor.Milliseconds(), 10), "cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime",
		} {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = key, &value
			t.Configs = append(t.Configs, c)
		}
		req := kmsg.NewPtrCreateTopicsRequest()
		req.TimeoutMillis = int32(createWait / time.Millisecond)
		req.Topics = append(req.Topics, t)
		answer, err := req.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		for _, t := range answer.Topics {
			if err := kerr.ErrorForCode(t.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
				return fmt.Errorf("kafka: make the topic %s: %w", name, err)
			}
		}
		n, err = partitions(ctx, client, name)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if n != wire.Lanes {
		return fmt.Errorf("kafka: the topic %s has %d partitions, and the bus's have %d: %w", name, n, wire.Lanes, ErrOther)
	}
	return nil
}

// partitions returns how many partitions a topic has.
func partitions(ctx context.Context, client *kgo.Client, name string) (int, error) {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &name
	req.Topics = append(req.Topics, t)
	answer, err := req.RequestWith(ctx, client)
	if err != nil {
		return 0, err
	}
	if len(answer.Topics) != 1 {
		return 0, fmt.Errorf("kafka: the topic %s: %w", name, kerr.UnknownTopicOrPartition)
	}
	found := answer.Topics[0]
	failed := kerr.ErrorForCode(found.ErrorCode)
	for _, p := range found.Partitions {
		failed = cmp.Or(failed, kerr.ErrorForCode(p.ErrorCode))
	}
	if failed != nil {
		return 0, fmt.Errorf("kafka: the topic %s: %w", name, failed)
	}
	return len(found.Partitions), nil
}

// The times that offsets are asked for by.
const (
	Beginning = -2
	End       = -1
)

// Offsets returns where the partitions of an owner's log begin or end.
func Offsets(ctx context.Context, client *kgo.Client, owner string, at int64) (map[int]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = wire.LogOf(owner)
	for n := range int32(wire.Lanes) {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = n, at
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	answer, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	found := map[int]int64{}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("kafka: the partition %d of %s: %w", p.Partition, t.Topic, err)
			}
			found[int(p.Partition)] = p.Offset
		}
	}
	if len(found) != wire.Lanes {
		return nil, fmt.Errorf("kafka: the broker answered for %d of the %d partitions of %s", len(found), wire.Lanes, wire.LogOf(owner))
	}
	return found, nil
}
