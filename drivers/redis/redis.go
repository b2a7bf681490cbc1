// Package redis makes Redis, 6.2 or newer, or what speaks its protocol, the second level
// of a cache: a cache.Shared.
//
// A change that depends on what is held is SET NX or a script of one GET and one SET,
// so it is atomic on one server and on a cluster's shard. Replicas read later than they
// should and are not asked. Values expire on the millisecond. Let the server evict
// (maxmemory with allkeys-lru or allkeys-lfu): everything here may be forgotten.
//
// While the server is away go-redis writes a line for each dial to standard error,
// about one in a second; its SetLogger, which is for the whole program, changes that.
package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/musterdev/muster/cache"
)

// patience bounds a dial and an operation for which a context sets no closer end.
const patience = time.Second

// Shared is a connection to Redis. It is safe for concurrent use.
type Shared struct{ client goredis.UniversalClient }

var _ cache.Shared = (*Shared)(nil)

// Open returns a connection to the server at url, redis://USER:PASSWORD@HOST:6379/DB,
// or rediss: for an encrypted one; parameters are those of go-redis, such as
// ?pool_size=20. The server need not be there yet: only a URL that cannot be meant is an
// error. Who opens it closes it.
func Open(url string) (*Shared, error) {
	o, err := goredis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("redis: the URL %q is none of a Redis server, write redis://HOST:6379: %s", redacted(url), unquoted(err, url))
	}
	// One try, in bounded time: package cache goes on without what does not answer, and a
	// second try could not tell whether the first was carried out.
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	for _, d := range []*time.Duration{&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout} {
		if *d == 0 {
			*d = patience
		}
	}
	return New(goredis.NewClient(o)), nil
}

// New returns a Shared of a client that is set up already: a cluster, sentinels, TLS.
// Its MaxRetries should be -1 and ContextTimeoutEnabled true, as Open has them. Close
// closes it.
func New(client goredis.UniversalClient) *Shared { return &Shared{client} }

// Close ends the connection.
func (s *Shared) Close() error { return s.client.Close() }

// Get returns what is held of keys, in one round trip. They may be on different shards.
func (s *Shared) Get(ctx context.Context, keys []string) (map[string][]byte, error) {
	cmds, err := s.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, key := range keys {
			p.Get(ctx, key)
		}
		return nil
	})
	if err := failure(err, cmds); err != nil {
		return nil, err
	}
	held := make(map[string][]byte, len(keys))
	for i, cmd := range cmds {
		if get, ok := cmd.(*goredis.StringCmd); ok && get.Err() == nil {
			if value, err := get.Bytes(); err == nil {
				held[keys[i]] = value
			}
		}
	}
	return held, nil
}

// replace sets a key, for some milliseconds, whose value is what is expected.
const replace = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`

// Set carries out changes, in one round trip.
func (s *Shared) Set(ctx context.Context, changes []cache.Change) ([]bool, error) {
	cmds, err := s.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, c := range changes {
			ttl := max(c.TTL.Round(time.Millisecond), time.Millisecond)
			if c.Old == nil {
				p.Do(ctx, "SET", c.Key, c.New, "NX", "PX", ttl.Milliseconds())
			} else {
				p.Eval(ctx, replace, []string{c.Key}, c.Old, c.New, ttl.Milliseconds())
			}
		}
		return nil
	})
	if err := failure(err, cmds); err != nil {
		return nil, err
	}
	done := make([]bool, len(changes))
	for i, cmd := range cmds {
		answered, ok := cmd.(*goredis.Cmd)
		if !ok {
			continue // Do and Eval make no other
		}
		switch answer := answered.Val().(type) {
		case string:
			done[i] = answer == "OK"
		case int64:
			done[i] = answer == 1
		}
	}
	return done, nil
}

// Delete forgets keys, in one round trip.
func (s *Shared) Delete(ctx context.Context, keys []string) error {
	cmds, err := s.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, key := range keys {
			p.Del(ctx, key)
		}
		return nil
	})
	return failure(err, cmds)
}

// failure returns the error of a pipeline, where nil as an answer is none. A pipeline
// tells the first error only, so all are looked at.
func failure(err error, cmds []goredis.Cmder) error {
	if len(cmds) == 0 && err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, goredis.Nil) {
			return fmt.Errorf("redis: %s: %w", cmd.Name(), err)
		}
	}
	return nil
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

// unquoted returns an error's text without the URL, which may have a password in it.
func unquoted(err error, url string) string {
	return strings.ReplaceAll(err.Error(), url, redacted(url))
}
