// Package memcached makes Memcached, 1.4 or newer, the second level of a cache: a
// cache.Shared.
//
// A change that depends on what is held is add, or gets and cas, so it is atomic. Keys
// are spread over servers by a hash of theirs: changing the list of servers moves most of
// them. Where a server of several cannot be reached its keys cannot be either. Keys that
// Memcached does not take, longer than 250 bytes or with white space, are replaced by
// their SHA-256. Values expire on the second, up to two seconds late. Servers must take
// values of 1 MiB, which is their default (-I).
package memcached

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/musterdev/muster/cache"
)

const (
	// patience bounds a dial and a round trip, beside the context.
	patience = 500 * time.Millisecond
	// idle is how many unused connections are kept to each server.
	idle = 16
	// longest is how long values are kept at most: a longer time would be taken as a date.
	longest = 30*24*time.Hour - 2*time.Second
)

// Shared is a connection to Memcached. It is safe for concurrent use.
type Shared struct{ client *memcache.Client }

var _ cache.Shared = (*Shared)(nil)

// Open returns a connection to the servers at url, memcached://HOST:11211, several
// separated by commas. They need not be there yet: only a URL that cannot be meant is an
// error. Who opens it closes it.
func Open(url string) (*Shared, error) {
	rest, ok := strings.CutPrefix(url, "memcached://")
	if !ok {
		return nil, fmt.Errorf("memcached: the URL %q does not begin with memcached://: write memcached://HOST:11211", url)
	}
	servers := strings.Split(strings.TrimSuffix(rest, "/"), ",")
	for i, server := range servers {
		host, port, err := net.SplitHostPort(server)
		if err != nil {
			host, port = strings.Trim(server, "[]"), "11211"
		}
		if host == "" || port == "" || strings.ContainsAny(host, "/@?# ") || strings.Count(server, ":") > 1 && err != nil && !strings.HasPrefix(server, "[") {
			return nil, fmt.Errorf("memcached: %q in the URL is no server: write memcached://HOST:11211, several separated by commas", server)
		}
		servers[i] = net.JoinHostPort(host, port)
	}
	selector := &memcache.ServerList{}
	if err := selector.SetServers(servers...); err != nil {
		return nil, fmt.Errorf("memcached: the servers of %q: %w", url, err)
	}
	client := memcache.NewFromSelector(selector)
	client.Timeout = patience
	client.MaxIdleConns = idle
	return &Shared{client}, nil
}

// Close ends the connections.
func (s *Shared) Close() error { return s.client.Close() }

// Get returns what is held of keys, in one round trip to each server.
func (s *Shared) Get(ctx context.Context, keys []string) (map[string][]byte, error) {
	return within(ctx, func() (map[string][]byte, error) {
		wire := make([]string, len(keys))
		for i, key := range keys {
			wire[i] = taken(key)
		}
		items, err := s.client.GetMulti(wire)
		if err != nil {
			return nil, fmt.Errorf("memcached: get: %w", err)
		}
		held := make(map[string][]byte, len(items))
		for i, key := range keys {
			if item := items[wire[i]]; item != nil {
				held[key] = item.Value
			}
		}
		return held, nil
	})
}

// Set carries out changes, one after the other: add where nothing is held, else gets,
// all in one round trip to each server, and cas.
func (s *Shared) Set(ctx context.Context, changes []cache.Change) ([]bool, error) {
	return within(ctx, func() ([]bool, error) {
		var keys []string
		for _, c := range changes {
			if c.Old != nil {
				keys = append(keys, taken(c.Key))
			}
		}
		var held map[string]*memcache.Item
		if len(keys) > 0 {
			var err error
			if held, err = s.client.GetMulti(keys); err != nil {
				return nil, fmt.Errorf("memcached: gets: %w", err)
			}
		}
		done := make([]bool, len(changes))
		for i, c := range changes {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			var err error
			if done[i], err = s.set(c, held[taken(c.Key)]); err != nil {
				return nil, err
			}
		}
		return done, nil
	})
}

func (s *Shared) set(c cache.Change, held *memcache.Item) (bool, error) {
	var err error
	switch {
	case c.Old == nil:
		err = s.client.Add(&memcache.Item{Key: taken(c.Key), Value: c.New, Expiration: seconds(c.TTL)})
	case held == nil || !bytes.Equal(held.Value, c.Old):
		return false, nil
	default:
		held.Value, held.Expiration = c.New, seconds(c.TTL) // with the number that cas compares
		err = s.client.CompareAndSwap(held)
	}
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, memcache.ErrNotStored), errors.Is(err, memcache.ErrCASConflict), errors.Is(err, memcache.ErrCacheMiss):
		return false, nil
	default:
		return false, fmt.Errorf("memcached: set: %w", err)
	}
}

// Delete forgets keys, one after the other.
func (s *Shared) Delete(ctx context.Context, keys []string) error {
	_, err := within(ctx, func() (struct{}, error) {
		for _, key := range keys {
			if err := ctx.Err(); err != nil {
				return struct{}{}, err
			}
			if err := s.client.Delete(taken(key)); err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
				return struct{}{}, fmt.Errorf("memcached: delete: %w", err)
			}
		}
		return struct{}{}, nil
	})
	return err
}

// within waits for an operation no longer than ctx. The client knows no contexts: what
// is not waited for ends by itself, when its round trip does.
func within[R any](ctx context.Context, do func() (R, error)) (R, error) {
	var none R
	if err := ctx.Err(); err != nil {
		return none, err
	}
	type answer struct {
		value R
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := do()
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// seconds rounds up, and adds one: the server's clock ticks once a second, and a value
// that is set just before it does would lose that second.
func seconds(d time.Duration) int32 {
	return int32((min(d, longest)+time.Second-1)/time.Second) + 1 //nolint:gosec // 30 days at most
}

// taken returns a key that Memcached takes. What begins with sha256: is hashed too, so
// that no key has the hash of another.
func taken(key string) string {
	const hashed = "sha256:"
	plain := key != "" && len(key) <= 250 && !strings.HasPrefix(key, hashed)
	for i := 0; plain && i < len(key); i++ {
		plain = key[i] > ' ' && key[i] < 0x7f
	}
	if plain {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hashed + hex.EncodeToString(sum[:])
}
