package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/away"
	"github.com/musterdev/muster/drivers/kafka/internal/request"
	"github.com/musterdev/muster/drivers/kafka/internal/wire"
)

// The bounds of belonging to a group.
const (
	sessionWait = 6 * time.Second         // without a sign the broker gives a member up; brokers take no less
	joinWait    = sessionWait             // for all members to join again; less would be less for who is silent, too
	silence     = 5500 * time.Millisecond // without an answer others may have what is here
	beatEvery   = 250 * time.Millisecond
	farewell    = time.Second
)

// session is a member's part in the log of one owner. It has a connection of its own:
// brokers answer what is asked on one in turn, and a join waits for others. Its fields
// below owner are guarded by subscriber.mu.
type session struct {
	*subscriber
	owner  string
	topics []string // of this owner
	client *kgo.Client
	log    *slog.Logger

	joined  chan struct{} // closed when it first takes part
	dirty   chan struct{} // of 1: a place is to be written
	again   chan struct{} // of 1: it is to join again
	changed chan struct{} // of 1: what is fetched is to change

	lanes      map[int]*lane
	member     string
	generation int32
	joining    bool
	crowd      int      // members
	all        []string // their topics
	gave       []int
	left       map[int]int64 // by lane: place behind the message that was left to others
	serial     int
	passed     int       // messages since places were last written
	alive      time.Time // when what was last answered was asked
	why        error
}

func (s *subscriber) open(owner string, topics []string) (*session, error) {
	client, err := s.broker.asking(
		kgo.FetchMaxWait(500*time.Millisecond), kgo.FetchMaxBytes(8<<20), kgo.FetchMaxPartitionBytes(1<<20),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &session{
		subscriber: s, owner: owner, topics: topics, client: client,
		log:    s.broker.log.With("topic", wire.LogOf(owner), "group", s.Group),
		joined: make(chan struct{}), dirty: make(chan struct{}, 1), again: make(chan struct{}, 1), changed: make(chan struct{}, 1),
		lanes: map[int]*lane{}, left: map[int]int64{}, all: topics, alive: time.Now(),
	}, nil
}

// signal tells a loop that there is something to do.
func (*session) signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// failed returns why it does not take part.
func (x *session) failed() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.why
}

// attend belongs to the group until ctx ends.
func (x *session) attend(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		err := x.join(ctx)
		if err == nil {
			failures = 0
			err = x.stay(ctx)
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		x.mu.Lock()
		x.why = err
		if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.FencedInstanceID) {
			x.dropAll(bus.ErrLeaseLost) // others have it
			x.member = ""
		}
		x.mu.Unlock()
		x.log.Debug("the group is to be joined again", "error", err)
		_ = away.Rest(ctx, away.Pause(failures)) // ctx is looked at above
		failures++
	}
}

// stay gives signs of life until the group is to be joined again.
func (x *session) stay(ctx context.Context) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-x.again:
			return nil
		case <-tick.C:
		}
		x.mu.Lock()
		member, generation := x.member, x.generation
		x.mu.Unlock()
		asked := time.Now()
		err := x.group().Beat(ctx, member, generation)
		switch {
		case errors.Is(err, kerr.RebalanceInProgress):
			x.answered(asked)
			return nil
		case err == nil:
			x.answered(asked)
		default:
			return err
		}
	}
}

func (x *session) answered(asked time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.alive, x.why = asked, nil
}

// join joins the group with what is held here, has the lanes shared when it is asked to,
// and takes its own.
func (x *session) join(ctx context.Context) error {
	asked := time.Now()
	answer, err := x.enter(ctx)
	if err != nil {
		return err
	}
	share, err := x.group().Share(ctx, answer)
	if errors.Is(err, kerr.RebalanceInProgress) {
		x.answered(asked)
	}
	if err != nil {
		return err
	}
	return x.take(ctx, asked, answer.Generation, share)
}

// enter sends what is held, and waits for the others to do so.
func (x *session) enter(ctx context.Context) (*kmsg.JoinGroupResponse, error) {
	for {
		x.mu.Lock()
		x.letGo(time.Now())
		x.joining = true
		x.serial++
		holds := make([]int, 0, len(x.lanes))
		for n := range x.lanes {
			holds = append(holds, n)
		}
		me := wire.Member{Topics: x.topics, Holds: holds, Gave: x.gave, Serial: x.serial}
		member := x.member
		x.mu.Unlock()
		answer, err := x.group().Join(ctx, member, me, sessionWait, joinWait)
		if answer == nil {
			return nil, err
		}
		if err == nil || errors.Is(err, kerr.MemberIDRequired) {
			x.mu.Lock()
			x.member = answer.MemberID
			x.mu.Unlock()
		}
		if errors.Is(err, kerr.MemberIDRequired) {
			continue
		}
		return answer, err
	}
}

// take goes on with the lanes that it is given, from where the group is.
func (x *session) take(ctx context.Context, asked time.Time, generation int32, share wire.Share) error {
	x.mu.Lock()
	x.alive, x.generation, x.crowd, x.why = asked, generation, share.Members, nil
	x.all = wire.Union(share.Topics, x.topics)
	x.joining = false
	x.gave = nil
	for n, l := range x.lanes {
		if !slices.Contains(share.Lanes, n) {
			l.drop(bus.ErrLeaseLost)
		}
		x.learn(l)
	}
	var fresh []int
	for _, n := range share.Lanes {
		if x.lanes[n] == nil {
			fresh = append(fresh, n)
		}
	}
	x.mu.Unlock()
	var known map[int]wire.Place
	if len(fresh) > 0 {
		var err error
		if known, err = request.Places(ctx, x.client, x.owner, x.Group); err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return bus.ErrClosed
	}
	for _, n := range fresh {
		l := &lane{session: x, number: n, place: known[n], since: time.Now()}
		x.lanes[n] = l
		if l.place.Out { // with a member that is no more
			l.place.Out = false
			l.change()
		}
		x.learn(l)
	}
	select {
	case <-x.joined:
	default:
		close(x.joined)
	}
	x.signal(x.changed)
	x.wake()
	return nil
}

// learn adds what the group wants to a lane's place.
func (x *session) learn(l *lane) {
	if all := wire.Union(l.place.Topics, x.all); !slices.Equal(all, l.place.Topics) {
		l.place.Topics = all
		l.change()
	}
}

func (x *session) dropAll(err error) {
	for _, l := range x.lanes {
		l.drop(err)
	}
	x.signal(x.changed)
}

// leave tells the broker, so that others need not wait for the session's end.
func (x *session) leave() {
	defer x.client.Close()
	if x.member == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = x.group().Leave(ctx, x.member) // or the broker gives the member up
}

// group returns what asks the broker about the group.
func (x *session) group() request.Group {
	return request.Group{Client: x.client, Owner: x.owner, Name: wire.GroupOf(x.owner, x.Group)}
}
