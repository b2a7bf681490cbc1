// Package kafka connects Muster's bus to Kafka, 2.4 or newer, or what speaks its
// protocol, by its classic consumer groups.
//
// # Topology
//
// Topics that share their first segment are kept in one Kafka topic, muster.orders for
// orders.placed, of [Lanes] partitions. A message's partition is a hash of its key, so
// that a key is always in the same one, whichever of the owner's topics it is published
// to. A record is a CloudEvent in the binary mode of CloudEvents' Kafka binding.
//
// A group is a Kafka consumer group, muster.orders.GROUP, whose members share the
// partitions. Who has one gives out one message of it at a time. How far the group is,
// is the group's committed offset; how often that message was delivered, and which topics
// the group's members ever joined with, is written beside it. Kafka takes a commit from
// a member of the present generation alone, so what a member that was given up for dead
// sends afterwards does not arrive.
//
// Members keep what they have when others come and go: none is interrupted. One that has
// more than its part lets go of what is not in hand, and so does one that has a message
// that nobody there asks for.
//
// # Limits
//
// A delivery's lease is held by the process that received it. When that hangs as a whole
// its messages come again when the broker misses its heartbeats, after 6 s.
//
// What a confirmation is worth is the broker's setting: all replicas that are in sync
// have it. Use three, and min.insync.replicas=2. Kafka leaves it to the operating system
// when that reaches the disk.
//
// The broker does not know messages again: one that is published again is stored twice
// (see data/inbox); what the client itself sends again is not. Messages are kept for
// seven days, handled or not; a group that falls further behind loses the oldest, and
// one that nobody belonged to is forgotten after the broker's
// offsets.retention.minutes. Lag counts the messages of all topics of a partition behind
// the first 1,000 in it, and how many messages a topic has is reckoned from the last 1,000.
package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	neturl "net/url"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/kafka/internal/wire"
)

// Lanes is how many partitions the topics of one first segment have: how many of their
// messages a group handles at a time, at most. Every member must agree.
const Lanes = wire.Lanes

// Driver opens connections to Kafka. It is a value without state, to be passed to
// muster.With or used directly.
var Driver driver //nolint:gochecknoglobals // a zero-size value, not state

type driver struct{}

// Name returns "kafka".
func (driver) Name() string { return "kafka" }

// BusSchemes returns the URL schemes OpenBus takes.
func (driver) BusSchemes() []string { return []string{"kafka", "kafkas"} }

// OpenBus returns a connection to the brokers at url, kafka://HOST:9092, with kafkas: for
// an encrypted one. Several brokers are named with commas, kafka://A:9092,B:9092. With a
// user, kafka://USER:PASSWORD@HOST:9092, it logs in by SASL PLAIN, or by what
// ?mechanism=SCRAM-SHA-256 or SCRAM-SHA-512 says.
//
// The broker need not be there yet: only a URL that cannot be meant is an error. It is
// tried for ever; while it is away the log says so, after 3 s and every 30 s from then
// on. client is the name the broker shows; log may be nil. The result is also a
// bus.Admin, and has Away() error: nil while the broker answers.
func (driver) OpenBus(ctx context.Context, url, client string, log *slog.Logger) (bus.Broker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	options, shown, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return connect(append(options, kgo.ClientID(named(client))), shown, log)
}

// parseURL returns what a URL says, and the addresses without credentials.
func parseURL(url string) (options []kgo.Opt, shown string, err error) {
	fail := func(why string) error {
		return fmt.Errorf("kafka: the URL %q is none of a Kafka broker, write kafka://HOST:9092: %s", redacted(url), why)
	}
	scheme, rest, _ := strings.Cut(url, "://")
	if scheme != "kafka" && scheme != "kafkas" {
		return nil, "", fail("it begins with neither kafka:// nor kafkas://")
	}
	// A list of hosts is no host to package url: each is looked at alone.
	who, hosts, found := strings.Cut(rest, "@")
	if !found {
		who, hosts = "", rest
	}
	hosts, query, _ := strings.Cut(hosts, "?")
	var seeds []string
	for host := range strings.SplitSeq(strings.TrimSuffix(hosts, "/"), ",") {
		u, err := neturl.Parse("kafka://" + host)
		if err != nil || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return nil, "", fail("a host is not one")
		}
		if u.Port() == "" {
			u.Host += ":9092"
		}
		seeds = append(seeds, u.Host)
	}
	options = append(options, kgo.SeedBrokers(seeds...))
	if scheme == "kafkas" {
		options = append(options, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}))
	}
	values, err := neturl.ParseQuery(query)
	if err != nil {
		return nil, "", fail("its parameters cannot be read")
	}
	mechanism := values.Get("mechanism")
	values.Del("mechanism")
	if len(values) > 0 {
		return nil, "", fail("it has a parameter other than mechanism")
	}
	u, err := neturl.Parse("kafka://" + who + "@host")
	if err != nil {
		return nil, "", fail("its user cannot be read")
	}
	password, _ := u.User.Password()
	switch user := u.User.Username(); {
	case user == "" && (found || mechanism != ""):
		return nil, "", fail("it has no user")
	case user == "":
	case mechanism == "" || mechanism == "PLAIN":
		options = append(options, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
	case mechanism == "SCRAM-SHA-256":
		options = append(options, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha256Mechanism()))
	case mechanism == "SCRAM-SHA-512":
		options = append(options, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))
	default:
		return nil, "", fail("its mechanism is none of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512")
	}
	return options, strings.Join(seeds, ","), nil
}

// named returns what brokers take as a client's name.
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
