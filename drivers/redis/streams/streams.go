// Package streams connects Muster's bus to Redis, 6.2 or newer, or what speaks its
// protocol, by its streams. It is apart from the cache of the folder above: a cache's
// server may forget, this one's must not.
//
// # Topology
//
// Topics that share their first segment are kept in [Lanes] streams, such as
// muster:{orders}:lane:3, in which a message's number is its place. Its lane is a hash of
// its key, so that a key is always in the same one. A group is a hash,
// muster:{orders}:group:NAME, that says of each lane how far the group is, and who has
// the next message until when. Every step, from storing a batch to settling a message,
// is one script, which the server carries out whole or not at all and by its own clock.
// The braces keep what belongs together on one shard of a cluster.
//
// # Limits
//
// What a confirmation is worth is the server's setting: with appendonly yes and
// appendfsync always it is on the disk, otherwise a second's or all messages may be lost.
// A server that may evict (maxmemory-policy other than noeviction) may lose them too.
// Where the server tells its settings, OpenBus's log warns of both. A replica that takes
// over lacks what had not reached it yet.
//
// Streams are in memory. They keep a message for seven days, handled or not; a group
// that falls further behind loses the oldest. A message is known again for two minutes.
// Lag counts the messages of all topics of a lane behind the first 64 in it.
package streams

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/musterdev/muster/bus"
)

// Lanes is how many lanes the topics of one first segment have: how many of their
// messages a group handles at a time, at most. Every member must agree.
const Lanes = 16

// Driver opens connections to Redis. It is a value without state, to be passed to
// muster.With or used directly.
var Driver driver //nolint:gochecknoglobals // a zero-size value, not state

type driver struct{}

// Name returns "redis".
func (driver) Name() string { return "redis" }

// BusSchemes returns the URL schemes OpenBus takes.
func (driver) BusSchemes() []string { return []string{"redis", "rediss"} }

// answerWait is for a dial and for one answer; then it is tried again.
const answerWait = 5 * time.Second

// OpenBus returns a connection to the server at url, redis://USER:PASSWORD@HOST:6379/DB,
// with rediss: for an encrypted one; parameters are those of go-redis, such as
// ?pool_size=20.
//
// The server need not be there yet: only a URL that cannot be meant is an error. It is
// tried for ever; while it is away the log says so, after 3 s and every 30 s from then
// on. client is the name the server shows; log may be nil. The result is also a
// bus.Admin, and has Away() error: nil while the server answers.
func (driver) OpenBus(ctx context.Context, url, client string, log *slog.Logger) (bus.Broker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := goredis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("redis: the URL %q is none of a Redis server, write redis://HOST:6379: %s", redacted(url), strings.ReplaceAll(err.Error(), url, redacted(url)))
	}
	o.ClientName = named(client)
	o.MaxRetries = -1 // what is tried again, and how long, is decided here
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	for _, d := range []*time.Duration{&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout} {
		if *d == 0 {
			*d = answerWait
		}
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return connect(goredis.NewClient(o), o.Addr, log), nil
}

// named returns what the server takes as a client's name.
func named(client string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}, client)
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
