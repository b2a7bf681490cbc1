package streams

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
)

// counted is how many messages of a lane Lag looks at; those behind them are known by
// their number alone, whatever their topics.
const counted = 64

// standing is how far a group is behind in the streams of one owner.
type standing struct {
	lag    bus.Lag
	out    int64
	topics []string
}

// behind asks for a group's standing; ok is false when there is no such group.
func (b *broker) behind(ctx context.Context, owner, group string) (st standing, ok bool, err error) {
	keys := append([]string{groupKey(owner, group), endsKey(owner)}, lanesKeys(owner)...)
	answer, err := b.run(ctx, b.scripts.behind, keys, counted)
	if err != nil {
		return st, false, err
	}
	parts, _ := answer.([]any)
	if len(parts) == 0 {
		return st, false, nil
	}
	if len(parts) != 4 {
		return st, false, fmt.Errorf("redis: the server answered %v for a group", answer)
	}
	st.lag.Messages, _ = parts[0].(int64)
	st.out, _ = parts[1].(int64)
	if age, _ := parts[2].(int64); st.lag.Messages > 0 {
		st.lag.Oldest = time.Duration(max(age, 0)) * time.Millisecond
	}
	topics, _ := parts[3].(string)
	st.topics = union(strings.Fields(topics))
	return st, true, nil
}

// union returns topics without those that another stands for.
func union(topics []string) []string {
	all := slices.Compact(slices.Sorted(slices.Values(topics)))
	return slices.DeleteFunc(slices.Clone(all), func(t string) bool {
		return slices.ContainsFunc(all, func(p string) bool { return p != t && bus.Matches(p, t) })
	})
}

// Lag asks the server about each of the group's owners.
func (s *subscriber) Lag(ctx context.Context) (bus.Lag, error) {
	var lag bus.Lag
	for _, owner := range s.owners {
		st, _, err := s.broker.behind(ctx, owner, s.Group)
		if err != nil {
			return bus.Lag{}, err
		}
		lag.Messages += st.lag.Messages
		lag.Oldest = max(lag.Oldest, st.lag.Oldest)
	}
	return lag, nil
}

// all returns a set of the server's, sorted.
func (b *broker) all(ctx context.Context, key string) (names []string, err error) {
	err = b.insist(ctx, func(ctx context.Context) error {
		names, err = b.client.SMembers(ctx, key).Result()
		return err
	})
	slices.Sort(names)
	return names, err
}

// Topics returns what the server keeps. It waits for a server that is away.
func (b *broker) Topics(ctx context.Context) ([]bus.TopicInfo, error) {
	owners, err := b.all(ctx, ownersKey)
	if err != nil {
		return nil, fmt.Errorf("redis: list the topics: %w", err)
	}
	var all []bus.TopicInfo
	for _, owner := range owners {
		var ends map[string]string
		err := b.insist(ctx, func(ctx context.Context) error {
			ends, err = b.client.HGetAll(ctx, endsKey(owner)).Result()
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("redis: list the topics: %w", err)
		}
		last, _ := strconv.ParseInt(ends["last"], 10, 64) // the script wrote it, as the next
		for field, value := range ends {
			name, ok := strings.CutPrefix(field, "topic:")
			if n, _ := strconv.ParseUint(value, 10, 64); ok && n > 0 {
				all = append(all, bus.TopicInfo{Name: name, Messages: n, Last: time.UnixMilli(last)})
			}
		}
	}
	slices.SortFunc(all, func(a, b bus.TopicInfo) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Groups returns the groups that the server knows. It waits for a server that is away.
func (b *broker) Groups(ctx context.Context) ([]bus.GroupInfo, error) {
	owners, err := b.all(ctx, ownersKey)
	if err != nil {
		return nil, fmt.Errorf("redis: list the groups: %w", err)
	}
	groups := map[string]bus.GroupInfo{}
	for _, owner := range owners {
		names, err := b.all(ctx, groupsKey(owner))
		if err != nil {
			return nil, fmt.Errorf("redis: list the groups: %w", err)
		}
		for _, name := range names {
			st, ok, err := b.behind(ctx, owner, name)
			if err != nil {
				return nil, fmt.Errorf("redis: list the groups: %w", err)
			}
			if !ok {
				continue
			}
			g := groups[name]
			groups[name] = bus.GroupInfo{
				Name: name, Topics: union(append(g.Topics, st.topics...)), Lag: g.Lag + st.lag.Messages,
				Oldest: max(g.Oldest, st.lag.Oldest), Pending: g.Pending + st.out,
			}
		}
	}
	return slices.SortedFunc(maps.Values(groups), func(a, b bus.GroupInfo) int { return cmp.Compare(a.Name, b.Name) }), nil
}
