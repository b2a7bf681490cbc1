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
	"fmt"
	"log/slog"
	neturl "net/url"
	"strconv"
	"strings"

	"github.com/musterdev/muster/bus"
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
	return connect(target, client, log)
}

// target is what a URL says.
type target struct {
	servers  string // for the client library
	shown    string // without credentials
	replicas int
}

func parseURL(url string) (target, error) {
	servers, query, _ := strings.Cut(url, "?")
	t := target{servers: servers, replicas: 1}
	var shown []string
	for server := range strings.SplitSeq(servers, ",") {
		u, err := neturl.Parse(server)
		if err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
			return t, fmt.Errorf("nats: the URL %q is none of a NATS server: write nats://HOST:PORT", redacted(server))
		}
		shown = append(shown, u.Host)
	}
	t.shown = strings.Join(shown, ",")
	values, err := neturl.ParseQuery(query)
	if err != nil {
		return t, fmt.Errorf("nats: the URL's parameters %q cannot be read: %w", query, err)
	}
	for name := range values {
		n, err := strconv.Atoi(values.Get(name))
		if name != "replicas" || err != nil || n < 1 || n > 5 {
			return t, fmt.Errorf("nats: the URL's parameter %s=%s is not known: there is replicas, from 1 to 5", name, values.Get(name))
		}
		t.replicas = n
	}
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
