package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/bus"
)

// How long streams keep messages, and know that they have them.
const (
	keptFor  = 7 * 24 * time.Hour
	knownFor = 2 * time.Minute
)

// The names at the server.
const (
	streamPrefix  = "muster-" // and the first segment of the topics
	subjectPrefix = "muster."
	lanesKey      = "muster-lanes" // in a stream's metadata
	groupKey      = "muster-group" // in a consumer's, as the next
	topicsKey     = "muster-topics"
)

// ownerOf returns the first segment of a topic or pattern, which names its stream.
func ownerOf(topic string) string {
	owner, _, _ := strings.Cut(topic, ".")
	return owner
}

func streamOf(owner string) string { return streamPrefix + owner }

// subjectOf returns the subject of a topic's messages, or of a pattern's, in a lane.
func subjectOf(topic string, lane int) string {
	owner, rest, _ := strings.Cut(topic, ".")
	return subjectPrefix + owner + "." + strconv.Itoa(lane) + "." + rest
}

// topicOf is the reverse of subjectOf; ok is false for a subject that is not ours.
func topicOf(subject string) (topic string, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(subject, subjectPrefix), ".", 3)
	if !strings.HasPrefix(subject, subjectPrefix) || len(parts) != 3 {
		return "", false
	}
	topic = parts[0] + "." + parts[2]
	return topic, bus.ValidTopic(topic) == nil
}

func consumerOf(group string, lane int) string { return fmt.Sprintf("%s_%03d", group, lane) }

// known is a stream that is there.
type known struct {
	jetstream.Stream
	lanes int
}

// stream returns the stream of an owner, and makes it when there is none.
func (b *broker) stream(ctx context.Context, owner string) (known, error) {
	b.mu.Lock()
	k, ok := b.streams[owner]
	b.mu.Unlock()
	if ok {
		return k, nil
	}
	name := streamOf(owner)
	stream, err := b.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = b.js.CreateStream(ctx, b.streamConfig(owner))
		if codeOf(err) == codeNameInUse || errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another was faster, with other numbers
			stream, err = b.js.Stream(ctx, name)
		} else if err == nil {
			b.log.Info("made the broker's stream", "stream", name)
		}
	}
	if err != nil {
		return known{}, fmt.Errorf("the stream %s: %w", name, err)
	}
	n, err := lanesOf(stream.CachedInfo().Config)
	if err != nil {
		return known{}, err
	}
	k = known{stream, n}
	b.mu.Lock()
	b.streams[owner] = k
	b.mu.Unlock()
	return k, nil
}

// forget has the stream looked for again: it is not where it was.
func (b *broker) forget(owner string) {
	b.mu.Lock()
	delete(b.streams, owner)
	b.mu.Unlock()
}

func (b *broker) streamConfig(owner string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: streamOf(owner), Subjects: []string{subjectPrefix + owner + ".*.>"},
		Description: "events of Muster's bus", Metadata: map[string]string{lanesKey: strconv.Itoa(Lanes)},
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, Storage: jetstream.FileStorage,
		MaxAge: keptFor, Duplicates: knownFor, Replicas: b.replicas, AllowAtomicPublish: true, AllowDirect: true,
	}
}

func lanesOf(c jetstream.StreamConfig) (int, error) {
	n, err := strconv.Atoi(c.Metadata[lanesKey])
	if err != nil || n < 1 || n > 1000 {
		return 0, fmt.Errorf("nats: the server has a stream %s that is not the bus's: rename one of them (its metadata lacks %s)", c.Name, lanesKey)
	}
	if !c.AllowAtomicPublish {
		return 0, fmt.Errorf("nats: the stream %s takes no atomic batches: use a NATS server of 2.14 or newer, and set allow_atomic", c.Name)
	}
	return n, nil
}

// consumer makes the group's consumer of one lane, or adds the topics of this member to
// the one that is there. Of two members that add different ones in the same moment one
// may be lost until it subscribes again.
func (b *broker) consumer(ctx context.Context, l *lane, s bus.Subscription, begin jetstream.DeliverPolicy) error {
	existing, err := b.js.Consumer(ctx, l.stream, l.consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		_, err = b.js.CreateConsumer(ctx, l.stream, jetstream.ConsumerConfig{
			Name: l.consumer, Durable: l.consumer, DeliverPolicy: begin, AckPolicy: jetstream.AckExplicitPolicy, AckWait: lease,
			MaxDeliver: -1, MaxAckPending: 1, FilterSubjects: subjects(s.Topics, l), InactiveThreshold: keptFor,
			Metadata: map[string]string{groupKey: s.Group, topicsKey: strings.Join(s.Topics, " ")},
		})
		if !errors.Is(err, jetstream.ErrConsumerExists) {
			return err
		}
		existing, err = b.js.Consumer(ctx, l.stream, l.consumer) // another was faster
	}
	if err != nil {
		return err
	}
	config := existing.CachedInfo().Config
	had := strings.Fields(config.Metadata[topicsKey])
	topics := union(had, s.Topics)
	if slices.Equal(had, topics) && config.AckWait == lease {
		return nil
	}
	config.FilterSubject, config.FilterSubjects, config.AckWait = "", subjects(topics, l), lease
	config.Metadata = map[string]string{groupKey: s.Group, topicsKey: strings.Join(topics, " ")}
	_, err = b.js.UpdateConsumer(ctx, l.stream, config)
	return err
}

// union returns the topics of two lists, without those that another stands for.
func union(a, b []string) []string {
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
	return slices.DeleteFunc(slices.Clone(all), func(t string) bool {
		return slices.ContainsFunc(all, func(p string) bool { return p != t && bus.Matches(p, t) })
	})
}

// subjects returns the filters of a lane's consumer. The server wants no two of them to
// have a subject in common: where members' patterns do, one wider filter takes their
// place, and what nobody asked for is passed over when it comes.
func subjects(topics []string, l *lane) []string {
	var out []string
	for _, t := range topics {
		if ownerOf(t) == l.owner {
			out = append(out, subjectOf(t, l.number))
		}
	}
	for i := 0; i < len(out); i++ {
		for j := i + 1; j < len(out); {
			wide, ok := common(out[i], out[j])
			if !ok {
				j++
				continue
			}
			out[i] = wide
			out = slices.Delete(out, j, j+1)
			i, j = 0, 1 // the wider one may meet others
		}
	}
	slices.Sort(out)
	return out
}

// common returns what stands for all that two subjects stand for, where both stand for
// the same in part.
func common(a, b string) (string, bool) {
	p, q := strings.Split(a, "."), strings.Split(b, ".")
	if len(p) != len(q) {
		return "", false
	}
	for i := range p {
		if p[i] != q[i] {
			if p[i] != "*" && q[i] != "*" {
				return "", false
			}
			p[i] = "*"
		}
	}
	return strings.Join(p, "."), true
}

// filters returns the subjects of a consumer, which the server tells in two ways.
func filters(c jetstream.ConsumerConfig) []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}
