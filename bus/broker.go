package bus

import (
	"context"
	"time"
)

// Publisher stores messages at a broker.
type Publisher interface {
	// Publish returns one result for each message, in their order, when all are
	// stored or refused. Messages of one key are stored in the order given; where
	// one of them fails, those after it of the same key fail too. A message that is
	// known by its Source and ID is not stored again, for as long as the broker
	// remembers (two minutes at least). What [Msg.Validate] refuses is refused, before
	// anything is sent, with its error; with it, where Caps say Batch, the rest of its
	// batch ([ErrBatch]), otherwise only what comes after it of its key ([ErrBehind]).
	Publish(ctx context.Context, msgs []Msg) []Result
}

// Broker is a driver's connection to a broker. It is safe for concurrent use. A
// broker that is away is waited for: Publish and Receive fail only with their context,
// or when trying again cannot help.
type Broker interface {
	Publisher
	// Subscribe joins a group, and makes it when there is none of that name.
	Subscribe(ctx context.Context, s Subscription) (Subscriber, error)
	Caps() Caps
	// Close ends the connection and all its subscribers; calls that wait return
	// [ErrClosed], and so do later ones. What they had received and not settled is
	// delivered again. Closing again does nothing.
	Close() error
}

// Subscription says what a group gets. The topics of members that joined with different
// ones, as in the middle of a deployment, add up: a group never loses a topic, and of
// one that is added it gets at least what is published from then on.
type Subscription struct {
	Group  string   // a DNS label: the service's name
	Topics []string // topics or patterns; see ValidPattern
	// Latest makes a new group begin with what is published from now on. Otherwise it
	// begins with the oldest message that the broker has, so that nothing published
	// before a consumer's first start is missed. An existing group goes on where it is.
	Latest bool
}

// Subscriber is one member of a group. Receive is for one goroutine at a time, the
// rest for any number.
type Subscriber interface {
	// Receive returns from 1 to most deliveries as soon as there is one, or the error of
	// ctx, or [ErrClosed]. A delivery that is not settled within Caps.Lease after it was received, or
	// after its last InProgress, is delivered again, to any member.
	Receive(ctx context.Context, most int) ([]Delivery, error)
	// Settle tells the broker. An error means that one of the messages may come again.
	Settle(ctx context.Context, verdicts ...Verdict) error
	Lag(ctx context.Context) (Lag, error)
	// Close leaves the group. Others get what was not settled.
	Close() error
}

// Caps says what a broker does by itself. The suite fails on a claim that does not
// hold, and on an ability that is not claimed.
type Caps struct {
	// Order: of the messages of one key in a group at most one is out at a time, over
	// all members; the next comes when it is acknowledged or terminated.
	Order bool
	Dedup bool // a known message is not stored again
	Count bool // Delivery.Count counts
	Delay bool // Verdict.After is honoured
	Later bool // Msg.NotBefore is honoured
	Dead  bool // what was terminated is kept, to be looked at
	Batch bool // Publish stores the messages of one call, of one first topic segment, all or none

	MaxData int           // bytes; at least MaxData
	Lease   time.Duration // how long a delivery may go without a sign; see Receive
}

// Admin is implemented by brokers that tell what they hold.
type Admin interface {
	Topics(ctx context.Context) ([]TopicInfo, error) // sorted by name
	Groups(ctx context.Context) ([]GroupInfo, error) // sorted by name
}

// TopicInfo is a topic that has messages.
type TopicInfo struct {
	Name     string    `json:"name"`
	Messages uint64    `json:"messages"`      // that are kept
	Last     time.Time `json:"last,omitzero"` // of its stream: when the last one was stored
}

// GroupInfo is a group and how far it is behind.
type GroupInfo struct {
	Name    string        `json:"name"`
	Topics  []string      `json:"topics"`
	Lag     int64         `json:"lag"`
	Oldest  time.Duration `json:"oldest_ns"`
	Pending int64         `json:"pending"` // of Lag: delivered and not settled
}
