package bus

import "time"

// MaxData is the most bytes of data that a message may carry: what every broker takes
// with its default settings, with room for the attributes.
const MaxData = 512 << 10

// Msg is one event, a CloudEvent 1.0 (https://github.com/cloudevents/spec). Source and
// ID together name it: a message with both the same is the same message.
type Msg struct {
	ID      string // unique within Source; 1 to 255 visible ASCII characters
	Source  string // who published it: "/orders"
	Topic   string // the CloudEvent's type: "orders.placed"; see ValidTopic
	Subject string // what it is about, within Source; may be empty

	// Key is what it is ordered by: the messages of one key are handled one after the
	// other, in the order of their publication, by all replicas of a group together.
	// "" means any order. It is the CloudEvent's partitionkey.
	Key string

	Time        time.Time // when it happened
	NotBefore   time.Time // it is not to be handled before this; zero: at once. Extension notbefore.
	ContentType string    // of Data; datacontenttype
	Schema      string    // URI of the schema of Data; dataschema; may be empty
	Sequence    string    // the publisher's number of it; may be empty

	Causation   string // ID of the message that was being handled when it was made; may be empty
	Correlation string // the same for all messages that one request or message led to; may be empty
	TraceParent string // W3C trace context; may be empty
	TraceState  string

	Extensions map[string]string // further attributes: names of a-z and 0-9, at most 20 characters
	Data       []byte            // at most MaxData
}

// Result is what became of one published message.
type Result struct {
	Err   error // nil: the broker has it on stable storage
	Known bool  // the broker had it already, and did not store it again
}

// Delivery is a message on its way through one consumer.
type Delivery struct {
	Msg

	Group  string    // whose consumer it is
	Count  int       // how often it was delivered to the group, this time included; at least 1
	Seq    uint64    // its place in the broker's order, where there is one
	Stored time.Time // when the broker took it

	Receipt any // the driver's own; what Settle needs to find it
}

// Verdict is what a consumer makes of a delivery.
type Verdict struct {
	Delivery Delivery
	Action   Action
	After    time.Duration // of Nack: not before this has passed; 0: at once
	Reason   string        // of Term, for whoever looks at the broker
}

// Action is the kind of a verdict.
type Action int

// The actions.
const (
	Ack        Action = iota // it is handled: never again
	Nack                     // it is not: deliver it again
	Term                     // it never will be: never again
	InProgress               // it is being handled: do not deliver it to another yet
)

// Lag is how far a group is behind.
type Lag struct {
	Messages int64         // not settled yet, those being handled included
	Oldest   time.Duration // age of the oldest of them; 0 when there is none
}
