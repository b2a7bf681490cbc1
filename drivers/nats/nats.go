// Package nats connects Muster's bus to NATS JetStream, 2.14 or newer: the one that
// platform/broker embeds, or a cluster.
//
// # Topology
//
// Topics that share their first segment are kept in one stream, muster-orders for
// orders.placed, with the subjects muster.orders.LANE.placed. A message's lane is a
// hash of its key, so that a key is always in the same one; a stream has [Lanes] of
// them, fixed when it is made. A group has a durable pull consumer for each lane, of
// which at most one message is out at a time (max_ack_pending 1). So any member may
// pull any lane, the server itself holds the order, nobody is elected, and a member
// that crashes costs its lanes one lease.
//
// # Limits
//
// Streams are files and keep a message for seven days, handled or not. A group that
// falls further behind loses the oldest; one that nobody has asked for messages for
// seven days is forgotten. A message is known again for two minutes.
//
// The topics of a group add up. A message whose topic a member did not subscribe to is
// handed on to the others a few times before that member gets it all the same.
package nats

import (
	"context"
	"log/slog"
	"net"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/nats/internal/address"
)

// Lanes is how many lanes a stream is made with: how many of its messages a group
// handles at a time, at most.
const Lanes = 16

// Driver opens connections to NATS. It is a value without state, to be passed to
// muster.With or used directly.
var Driver driver //nolint:gochecknoglobals // a zero-size value, not state

type driver struct{}

// Name returns "nats".
func (driver) Name() string { return "nats" }

// BusSchemes returns the URL schemes OpenBus takes.
func (driver) BusSchemes() []string { return []string{"nats", "tls"} }

// OpenBus returns a connection to the broker at url, nats://HOST:PORT, with tls: for
// an encrypted one, several servers of a cluster separated by commas, and user and
// password or a token before the @. ?replicas=3 at the end says on how many servers
// of a cluster new streams are kept.
//
// The broker need not be there yet: only a URL that cannot be meant is an error. It
// is tried for ever, every 100 to 500 ms; while it is away the log says so, after 3 s
// and every 30 s from then on. client is the name the server shows; log may be nil.
// The result is also a bus.Admin, and has Away() error: nil while there is a connection.
func (driver) OpenBus(ctx context.Context, url, client string, log *slog.Logger) (bus.Broker, error) {
	return open(ctx, url, client, log, nil)
}

// OpenBusThrough is OpenBus over connections that dial makes. Package crash counts
// writes so.
func (driver) OpenBusThrough(ctx context.Context, url, client string, log *slog.Logger, dial func(ctx context.Context, network, address string) (net.Conn, error)) (bus.Broker, error) {
	return open(ctx, url, client, log, dial)
}

// open connects; dial may be nil.
func open(ctx context.Context, url, client string, log *slog.Logger, dial dialer) (bus.Broker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	target, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return connect(target, client, log, dial)
}

// dialer is what the client library calls to connect.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Dial connects, for as long as the library's own dialer would.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialWait)
	defer cancel()
	return d(ctx, network, address)
}

// target is what a URL says.
type target struct {
	servers  string // for the client library
	shown    string // without credentials
	replicas int
}

func parseURL(url string) (target, error) {
	a, err := address.Parse(url)
	return target{a.Servers, a.Shown, a.Replicas}, err
}
