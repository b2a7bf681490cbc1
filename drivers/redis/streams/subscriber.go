package streams

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/musterdev/muster/bus"
)

const (
	// lookAgain is how often Receive asks although nothing was heard: what is heard may
	// be lost.
	lookAgain = time.Second
	// othersFirst is how long a message is left to members that asked for its topic.
	othersFirst = 2 * time.Second
	// farewell bounds what is handed back at the end.
	farewell = time.Second
)

// subscriber is one member of a group.
type subscriber struct {
	broker *broker
	bus.Subscription
	owners []string
	token  string
	news   *goredis.PubSub
	living context.Context //nolint:containedctx // ends with the subscriber, which calls outlast
	stop   context.CancelFunc

	mu     sync.Mutex
	turn   int // where to begin the next time, so that no lane or owner waits for the others
	hands  map[*receipt]struct{}
	closed bool
}

// receipt is a delivery's place at the server.
type receipt struct {
	*subscriber
	owner   string
	lane    int64
	number  int64
	token   string
	touched time.Time // when its lease began, at the latest; subscriber.mu
}

// Subscribe makes the group, or takes part in it, and waits for a server that is away
// until ctx ends.
func (b *broker) Subscribe(ctx context.Context, want bus.Subscription) (bus.Subscriber, error) {
	want, err := want.Normalized()
	if err != nil {
		return nil, err
	}
	s := &subscriber{broker: b, Subscription: want, token: rand.Text(), hands: map[*receipt]struct{}{}}
	for _, t := range want.Topics {
		s.owners = append(s.owners, ownerOf(t))
	}
	s.owners = slices.Compact(slices.Sorted(slices.Values(s.owners)))
	var channels []string
	for _, owner := range s.owners {
		channels = append(channels, channelOf(owner))
		if err := s.enlist(ctx, owner, want.Latest); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, bus.ErrClosed
	}
	s.living, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.news = b.client.Subscribe(s.living, channels...) // it connects again by itself
	b.members[s] = struct{}{}
	return s, nil
}

// enlist has the group be there, with this member's topics.
func (s *subscriber) enlist(ctx context.Context, owner string, latest bool) error {
	if err := s.broker.list(ctx, owner); err != nil {
		return err
	}
	begin := "0"
	if latest {
		begin = "1"
	}
	var topics []string
	for _, t := range s.Topics {
		if ownerOf(t) == owner {
			topics = append(topics, t)
		}
	}
	keys := []string{groupKey(owner, s.Group), endsKey(owner), groupsKey(owner)}
	_, err := s.broker.run(ctx, s.broker.scripts.enlist, keys, s.Group, begin, millis(keptFor), strings.Join(topics, " "))
	return err
}

// taken is the answer to a claim.
type taken struct {
	deliveries []bus.Delivery
	wait       time.Duration
	err        error
}

// Receive asks for messages, and again when it hears that there may be some.
func (s *subscriber) Receive(ctx context.Context, most int) ([]bus.Delivery, error) {
	news := s.news.Channel()
	for {
		wait := lookAgain
		for range s.owners {
			s.mu.Lock()
			turn, closed := s.turn, s.closed
			s.turn++
			s.mu.Unlock()
			if closed {
				return nil, bus.ErrClosed
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			got := s.take(ctx, s.owners[turn%len(s.owners)], max(most, 1), turn)
			if got.err != nil || len(got.deliveries) > 0 {
				return got.deliveries, got.err
			}
			wait = min(wait, got.wait)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-news:
		case <-ctx.Done():
		case <-s.living.Done():
		}
		t.Stop()
	}
}

// take claims messages. When ctx ends before the server has answered, what it gives is
// handed back.
func (s *subscriber) take(ctx context.Context, owner string, most, turn int) taken {
	answered := make(chan taken, 1)
	asking, cancel := context.WithCancel(s.living)
	go func() {
		defer cancel()
		answered <- s.claim(asking, owner, most, turn)
	}()
	select {
	case got := <-answered:
		if ctx.Err() != nil || s.living.Err() != nil {
			break
		}
		return got
	case <-ctx.Done():
	case <-s.living.Done():
	}
	go func() {
		give := time.AfterFunc(answerWait, cancel)
		defer give.Stop()
		select {
		case got := <-answered:
			s.handBack(got.deliveries)
		case <-asking.Done():
		}
	}()
	if s.living.Err() != nil {
		return taken{err: bus.ErrClosed}
	}
	return taken{err: ctx.Err()}
}

func (s *subscriber) claim(ctx context.Context, owner string, most, turn int) taken {
	keys := append([]string{groupKey(owner, s.Group)}, lanesKeys(owner)...)
	token := s.token + strconv.Itoa(turn)
	begin := time.Now()
	answer, err := s.broker.run(ctx, s.broker.scripts.claim, keys, most, turn%Lanes, token, millis(lease), millis(othersFirst), strings.Join(s.Topics, " "))
	if err != nil {
		return taken{err: s.closing(err)}
	}
	parts, _ := answer.([]any)
	if len(parts) == 0 { // nobody belonged to the group for long, or the store was lost
		err := s.enlist(ctx, owner, false)
		return taken{err: s.closing(err)}
	}
	if len(parts) != 2 {
		return taken{err: fmt.Errorf("redis: the server answered %v for messages", answer)}
	}
	got := taken{wait: lookAgain}
	if due, _ := parts[0].(int64); due >= 0 {
		got.wait = time.Duration(due+1) * time.Millisecond
	}
	list, _ := parts[1].([]any)
	for _, one := range list {
		d, err := s.read(owner, token, begin, one)
		if err != nil {
			got.err = err
			return got
		}
		if d != nil {
			got.deliveries = append(got.deliveries, *d)
		}
	}
	return got
}

// read makes a delivery; nil for what is no event, which it settles.
func (s *subscriber) read(owner, token string, begin time.Time, answer any) (*bus.Delivery, error) {
	f, _ := answer.([]any)
	if len(f) != 6 {
		return nil, fmt.Errorf("redis: the server answered %v for a message", answer)
	}
	r := &receipt{subscriber: s, owner: owner, token: token, touched: begin}
	r.lane, _ = f[0].(int64)
	r.number, _ = f[1].(int64)
	count, _ := f[2].(int64)
	stored, _ := f[3].(string)
	attributes, _ := f[4].(string)
	data, _ := f[5].(string)
	s.mu.Lock()
	s.hands[r] = struct{}{}
	s.mu.Unlock()
	m, err := decode(attributes, data)
	if err != nil {
		s.broker.log.Error("dropped a message of the stream that is no event; who wrote it there?", "owner", owner, "lane", r.lane, "number", r.number, "error", err)
		_ = r.tell(s.living, "done", 0) // or it comes again
		return nil, nil
	}
	at, _ := strconv.ParseInt(stored, 10, 64) // the script wrote it
	return &bus.Delivery{
		Msg: m, Group: s.Group, Count: int(min(count, 1<<30)), Seq: uint64(r.number), Stored: time.UnixMilli(at), Receipt: r, //nolint:gosec // from 1
	}, nil
}

// closing returns bus.ErrClosed for an error that comes of being closed here.
func (s *subscriber) closing(err error) error {
	if err != nil && s.living.Err() != nil {
		return bus.ErrClosed
	}
	return err
}
