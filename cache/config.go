package cache

import (
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster/problem"
)

// Load fetches values from where they come from: a database, another service. A key
// that is missing in the answer does not exist. It is called with at least one key, each
// once, from a goroutine of its own. Its context has the values of the context of the
// look-up that came first, not its end: it ends when nobody waits any more, and after
// Timeout. So nothing that belongs to one caller, such as a transaction, may be used in
// it. It may be called by any number of goroutines at a time, never for the same key
// unless that was dropped in between.
type Load[T any] func(ctx context.Context, keys []string) (map[string]T, error)

// One makes a Load of a function that fetches one key; several are fetched one after
// the other. The function returns false for a key that does not exist.
func One[T any](get func(ctx context.Context, key string) (T, bool, error)) Load[T] {
	return func(ctx context.Context, keys []string) (map[string]T, error) {
		values := make(map[string]T, len(keys))
		for _, key := range keys {
			value, found, err := get(ctx, key)
			if err != nil {
				return nil, err
			}
			if found {
				values[key] = value
			}
		}
		return values, nil
	}
}

// Config says how a Cache behaves. Only Load must be given.
type Config[T any] struct {
	// Name says what is cached, for metrics and as the prefix of keys in Shared:
	// "catalog.products". With Shared it must be given, and be the same in all processes
	// that share. A change of T that old readers do not understand needs another name.
	Name string
	Load Load[T]

	TTL      time.Duration // how old a value may get; 0: 1 min; negative: nothing is kept, look-ups only coalesce
	Jitter   float64       // the share of TTL by which lives differ, 0 to 1; 0: 0.1; negative: none
	Stale    time.Duration // how much longer a value is served while loads fail; 0: not at all
	Negative time.Duration // how long it is known that a key does not exist; 0: not at all
	Early    float64       // XFetch's beta: above 1 refreshes earlier; 0: 1; negative: never before the end
	Timeout  time.Duration // of one load, with its look-up in Shared; 0: 10 s

	Entries int         // held at most; 0: 10,000
	Bytes   int64       // held at most, keys and an estimate of what an entry itself takes included; 0: no bound
	Size    func(T) int // of a value in bytes; needed with Bytes unless T is string or []byte

	Shared Shared        // the second level; nil: none
	Near   time.Duration // with Shared: how long a value is held here before Shared is asked again; 0: 1 s
	Encode func(T) ([]byte, error)
	Decode func([]byte) (T, error) // with Encode: how values are written in Shared; nil: protobuf messages in their own form, all else as JSON

	random func() float64 // of [0, 1), for tests
}

// entryBytes is about what an entry takes besides its key and value: itself and its
// place in the map.
const entryBytes = 200

// validated returns a configuration with its defaults, or what is wrong with it.
func (c Config[T]) validated() (Config[T], error) {
	wrong := func(format string, args ...any) (Config[T], error) {
		return c, problem.New(problem.InvalidArgument, "cache %q: "+format, append([]any{c.Name}, args...)...)
	}
	var value T
	if c.Size == nil {
		switch any(value).(type) {
		case string:
			c.Size = func(v T) int { s, _ := any(v).(string); return len(s) }
		case []byte:
			c.Size = func(v T) int { b, _ := any(v).([]byte); return len(b) }
		}
	}
	switch {
	case c.Load == nil:
		return wrong("it has no Load: give it the function that fetches what is missing")
	case c.Jitter > 1:
		return wrong("Jitter is %g: it is a share of TTL, from 0 to 1", c.Jitter)
	case c.Stale < 0 || c.Negative < 0 || c.Timeout < 0 || c.Near < 0:
		return wrong("Stale, Negative, Timeout and Near cannot be negative")
	case c.Entries < 0 || c.Bytes < 0:
		return wrong("Entries and Bytes cannot be negative")
	case c.Bytes > 0 && c.Size == nil:
		return wrong("Bytes bounds it and there is no Size: say how many bytes a %T has", value)
	case c.Shared != nil && c.Name == "":
		return wrong("it has no Name, which keeps its keys apart from those of others in Shared")
	case c.Shared != nil && c.TTL < 0:
		return wrong("TTL keeps nothing: leave Shared out")
	case (c.Encode == nil) != (c.Decode == nil):
		return wrong("Encode and Decode are given together or not at all")
	}
	if c.TTL < 0 {
		c.Negative = 0
	}
	c.TTL = orDefault(c.TTL, time.Minute)
	c.Jitter = max(orDefault(c.Jitter, 0.1), 0)
	c.Early = max(orDefault(c.Early, 1), 0)
	c.Timeout = orDefault(c.Timeout, 10*time.Second)
	c.Entries = orDefault(c.Entries, 10_000)
	c.Near = orDefault(c.Near, time.Second)
	if c.Encode == nil {
		c.Encode, c.Decode = encode[T], decode[T]
	}
	if c.Size == nil {
		c.Size = func(T) int { return 0 }
	}
	return c, nil
}

func orDefault[V comparable](v, fallback V) V {
	var zero V
	if v == zero {
		return fallback
	}
	return v
}

// String names the cache in a message.
func (c *Cache[T]) String() string { return fmt.Sprintf("cache %q", c.cfg.Name) }
