package kafka

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

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/kafka/internal/request"
	"github.com/musterdev/muster/drivers/kafka/internal/wire"
)

// owners returns whose logs there are.
func (b *broker) owners(ctx context.Context) (all []string, err error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = nil // all
	answer, err := req.RequestWith(ctx, b.client)
	if err != nil {
		return nil, err
	}
	for _, t := range answer.Topics {
		if t.Topic == nil || t.ErrorCode != 0 {
			continue
		}
		if owner, ok := strings.CutPrefix(*t.Topic, wire.Prefix); ok && len(t.Partitions) == Lanes {
			all = append(all, owner)
		}
	}
	slices.Sort(all)
	return all, nil
}

// Topics returns what the broker keeps. How many messages a topic has is counted where a
// lane has no more than 1,000, and otherwise reckoned from its last 1,000. It waits for a
// broker that is away.
func (b *broker) Topics(ctx context.Context) (all []bus.TopicInfo, err error) {
	err = b.insist(ctx, func(ctx context.Context) error {
		all = nil
		owners, err := b.owners(ctx)
		if err != nil {
			return err
		}
		for _, owner := range owners {
			of, err := b.topicsOf(ctx, owner)
			if errors.Is(err, kerr.UnknownTopicOrPartition) { // it was removed meanwhile
				continue
			}
			if err != nil {
				return fmt.Errorf("kafka: list the topics of %s: %w", owner, err)
			}
			all = append(all, of...)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b bus.TopicInfo) int { return cmp.Compare(a.Name, b.Name) })
	return all, err
}

func (b *broker) topicsOf(ctx context.Context, owner string) (all []bus.TopicInfo, err error) {
	begins, err := request.Offsets(ctx, b.client, owner, request.Beginning)
	if err != nil {
		return nil, err
	}
	ends, err := request.Offsets(ctx, b.client, owner, request.End)
	if err != nil {
		return nil, err
	}
	parts := map[int]section{}
	for n := range Lanes {
		parts[n] = section{max(begins[n], ends[n]-counted), ends[n]}
	}
	messages, last := map[string]float64{}, time.Time{}
	err = b.read(ctx, owner, parts, func(n int, r *kgo.Record) {
		if r.Timestamp.After(last) {
			last = r.Timestamp
		}
		if topic := wire.TopicOf(r); topic != "" {
			messages[topic] += float64(ends[n]-begins[n]) / float64(parts[n].before-parts[n].from)
		}
	})
	for name, n := range messages {
		all = append(all, bus.TopicInfo{Name: name, Messages: uint64(n + 0.5), Last: last})
	}
	return all, err
}

// Groups returns the groups that the broker knows. It waits for a broker that is away.
func (b *broker) Groups(ctx context.Context) (all []bus.GroupInfo, err error) {
	err = b.insist(ctx, func(ctx context.Context) error {
		owners, err := b.owners(ctx)
		if err != nil {
			return err
		}
		answer, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, b.client)
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
			return err
		}
		var found []*listed
		for _, g := range answer.Groups {
			owner, name, ok := strings.Cut(strings.TrimPrefix(g.Group, wire.Prefix), ".")
			if ok && strings.HasPrefix(g.Group, wire.Prefix) && slices.Contains(owners, owner) {
				found = append(found, &listed{owner: owner, name: name})
			}
		}
		// First all places, which say what is in hand now: to look at what is behind takes time.
		if err := together(found, func(f *listed) (err error) {
			f.places, err = request.Places(ctx, b.client, f.owner, f.name)
			return err
		}); err != nil {
			return err
		}
		if err := together(found, func(f *listed) (err error) {
			f.standing, err = b.behind(ctx, f.owner, f.places)
			return err
		}); err != nil {
			return err
		}
		groups := map[string]bus.GroupInfo{}
		for _, f := range found {
			if len(f.places) == 0 {
				continue
			}
			was := groups[f.name]
			groups[f.name] = bus.GroupInfo{
				Name: f.name, Topics: wire.Union(was.Topics, f.topics), Lag: was.Lag + f.lag.Messages,
				Oldest: max(was.Oldest, f.lag.Oldest), Pending: was.Pending + f.out,
			}
		}
		all = slices.SortedFunc(maps.Values(groups), func(a, b bus.GroupInfo) int { return cmp.Compare(a.Name, b.Name) })
		return nil
	})
	return all, err
}

// listed is a group in the log of one owner.
type listed struct {
	owner, name string
	places      map[int]wire.Place
	standing
}

// abreast is how many groups are asked about together.
const abreast = 8

// together does something with all, several at a time, and returns what failed.
func together(all []*listed, do func(*listed) error) error {
	errs := make([]error, len(all))
	room := make(chan struct{}, abreast)
	var working sync.WaitGroup
	for i, f := range all {
		room <- struct{}{}
		working.Go(func() {
			defer func() { <-room }()
			if err := do(f); err != nil {
				errs[i] = fmt.Errorf("kafka: the group %s: %w", wire.GroupOf(f.owner, f.name), err)
			}
		})
	}
	working.Wait()
	return errors.Join(errs...)
}
