// Package rabbitmq connects Muster's bus to RabbitMQ, 3.10 or newer, over AMQP 0.9.1
// alone: no plugin, no management interface.
//
// # Topology
//
// Topics that share their first segment are kept in [Lanes] streams, muster.orders.0 to
// muster.orders.7 for orders.placed, which the bus alone publishes to, by the default
// exchange. A message's lane is a hash of its key, so that a key is always in the same
// one. A stream keeps messages when they are read, so a group that is new begins with
// the oldest.
//
// A group has a quorum queue for each lane, muster.orders.0.GROUP, which holds no events
// but one small message: how far the group is. The queue has a single active consumer,
// and who is that reads the lane and gives out one message at a time. To settle it is to
// publish the next place into the queue and to have it confirmed. So lock and place are
// one thing: when a member dies, the queue gives the place to the next one, and what the
// dead one sends afterwards does not arrive. Members tell each other through the same
// queues that they joined and how far the group is behind, and share the lanes evenly:
// one that has more than its part lets go of some.
//
// # Limits
//
// A delivery's lease is held by the process that received it. When that hangs as a whole
// its messages come again when the broker misses its heartbeats, after 6 s at most.
//
// RabbitMQ confirms a message of a stream when the majority of the stream's replicas
// have written it, and leaves it to the operating system when that reaches the disk:
// a broker of one node that loses power may lose what it confirmed last. Use three.
//
// The broker does not know messages again: one whose confirmation was lost is stored
// twice (see data/inbox). Streams keep a message for seven days, handled or not, a
// segment of 50 MB at a time. A group that falls further behind loses the oldest; one
// that nobody belonged to for seven days is forgotten. Lag counts the messages of all
// topics of a lane where more than [window] wait in it.
package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	neturl "net/url"
	"strings"

	"github.com/musterdev/muster/bus"
)

// Lanes is how many lanes the topics of one first segment have: how many of their
// messages a group handles at a time, at most. Every member must agree.
const Lanes = 8

// Driver opens connections to RabbitMQ. It is a value without state, to be passed to
// muster.With or used directly.
var Driver driver //nolint:gochecknoglobals // a zero-size value, not state

type driver struct{}

// Name returns "rabbitmq".
func (driver) Name() string { return "rabbitmq" }

// BusSchemes returns the URL schemes OpenBus takes.
func (driver) BusSchemes() []string { return []string{"amqp", "amqps"} }

// OpenBus returns a connection to the broker at url, amqp://USER:PASSWORD@HOST:PORT/VHOST,
// with amqps: for an encrypted one. Several servers of a cluster are URLs separated by
// commas; they are tried in turn.
//
// The broker need not be there yet: only a URL that cannot be meant is an error. It is
// tried for ever, every 100 to 500 ms; while it is away the log says so, after 3 s and
// every 30 s from then on. client is the name the server shows; log may be nil. The
// result has Away() error: nil while there is a connection. It is no bus.Admin: AMQP
// does not list queues.
func (driver) OpenBus(ctx context.Context, url, client string, log *slog.Logger) (bus.Broker, error) {
	return open(ctx, url, client, log, (&net.Dialer{}).DialContext)
}

// OpenBusThrough is OpenBus over connections that dial makes. Package crash counts
// writes so.
func (driver) OpenBusThrough(ctx context.Context, url, client string, log *slog.Logger, dial func(ctx context.Context, network, address string) (net.Conn, error)) (bus.Broker, error) {
	return open(ctx, url, client, log, dial)
}

// dialer makes a connection.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func open(ctx context.Context, url, client string, log *slog.Logger, dial dialer) (bus.Broker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return connect(t, client, log, dial), nil
}

// target is what a URL says.
type target struct {
	servers []string
	shown   string // without credentials
}

func parseURL(url string) (target, error) {
	var t target
	var shown []string
	for server := range strings.SplitSeq(url, ",") {
		u, err := neturl.Parse(server)
		if err != nil || u.Scheme != "amqp" && u.Scheme != "amqps" || u.Hostname() == "" ||
			strings.Contains(strings.Trim(u.Path, "/"), "/") || u.RawQuery != "" || u.Fragment != "" {
			return t, fmt.Errorf("rabbitmq: the URL %q is none of a RabbitMQ server: write amqp://USER:PASSWORD@HOST:PORT/VHOST", redacted(server))
		}
		t.servers = append(t.servers, server)
		shown = append(shown, u.Host)
	}
	t.shown = strings.Join(shown, ",")
	return t, nil
}

// redacted cuts the credentials off a URL that may not even be one.
func redacted(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return "…"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "…" + rest[at:]
	}
	return scheme + "://" + rest
}
