package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
)

// The most that goes into one script: no other is carried out meanwhile.
const (
	batchMessages = 1000
	batchBytes    = 16 << 20
)

// How long streams keep messages, and know that they have them.
const (
	keptFor  = 7 * 24 * time.Hour
	knownFor = 2 * time.Minute
)

// ownerOf returns the first segment of a topic or pattern, which names its streams.
func ownerOf(topic string) string {
	owner, _, _ := strings.Cut(topic, ".")
	return owner
}

// The names at the server. The braces have a cluster keep what begins alike together.
const ownersKey = "muster:owners"

func prefixOf(owner string) string { return "muster:{" + owner + "}:" }
func lanesKeys(owner string) (keys []string) { // of the streams
	for lane := range Lanes {
		keys = append(keys, prefixOf(owner)+"lane:"+strconv.Itoa(lane))
	}
	return keys
}
func endsKey(owner string) string         { return prefixOf(owner) + "ends" }
func groupsKey(owner string) string       { return prefixOf(owner) + "groups" }
func groupKey(owner, group string) string { return prefixOf(owner) + "group:" + group }
func channelOf(owner string) string       { return prefixOf(owner) + "news" }

func millis(d time.Duration) int64 { return d.Milliseconds() }

// Publish stores the messages of each first topic segment together, all or none, up to
// 1,000 messages and 16 MiB; what is more goes into further batches.
//
// While the server is away Publish waits until ctx ends; whether the last try took
// effect is then not known, and publishing again is safe for two minutes.
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

// store stores the messages of one owner, and stops at the first batch that fails.
func (b *broker) store(ctx context.Context, owner string, msgs []bus.Msg, indexes []int, results []bus.Result) {
	err := b.list(ctx, owner)
	for len(indexes) > 0 {
		n := fitting(msgs, indexes)
		var known []bool
		if err == nil {
			known, err = b.storeBatch(ctx, owner, msgs, indexes[:n])
		}
		if err != nil {
			for _, i := range indexes {
				results[i].Err = err
			}
			return
		}
		for j, i := range indexes[:n] {
			results[i].Known = known[j]
		}
		indexes = indexes[n:]
	}
}

// list has the server know an owner, for those who ask what there is.
func (b *broker) list(ctx context.Context, owner string) error {
	b.mu.Lock()
	listed := b.owners[owner]
	b.mu.Unlock()
	if listed {
		return nil
	}
	if err := b.insist(ctx, func(ctx context.Context) error { return b.client.SAdd(ctx, ownersKey, owner).Err() }); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owners[owner] = true
	return nil
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

func (b *broker) storeBatch(ctx context.Context, owner string, msgs []bus.Msg, indexes []int) ([]bool, error) {
	lanes := lanesKeys(owner)
	keys := []string{endsKey(owner)}
	args := []any{channelOf(owner), millis(keptFor), millis(knownFor)}
	for _, i := range indexes {
		m := msgs[i]
		lane := bus.Lane(m, Lanes)
		attributes, err := json.Marshal(m.Attributes())
		if err != nil {
			return nil, fmt.Errorf("redis: write the attributes of the message %s: %w", m.ID, err)
		}
		keys = append(keys, lanes[lane], prefixOf(owner)+"known:"+m.Source+" "+m.ID) // neither has a space
		data := m.Data
		if data == nil {
			data = []byte{}
		}
		args = append(args, lane, m.Topic, attributes, data)
	}
	before := b.seen(lanes)
	answer, err := b.run(ctx, b.scripts.store, keys, args...)
	if err != nil {
		return nil, err
	}
	all, _ := answer.([]any)
	if len(all) != len(indexes) {
		return nil, fmt.Errorf("redis: the server answered %v for a batch of %d messages", answer, len(indexes))
	}
	known := make([]bool, len(all))
	for i, n := range all {
		number, _ := n.(int64)
		known[i] = number == 0
		if number > 0 {
			b.stored(ctx, lanes[bus.Lane(msgs[indexes[i]], Lanes)], number, before)
		}
	}
	return known, nil
}

// decode reads a message of a stream.
func decode(attributes, data string) (bus.Msg, error) {
	var all map[string]string
	if err := json.Unmarshal([]byte(attributes), &all); err != nil {
		return bus.Msg{}, fmt.Errorf("its attributes cannot be read: %w", err)
	}
	return bus.FromAttributes(all, []byte(data))
}
