package cache

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
)

// Shared is a cache of bytes that several processes use. It may forget anything at any
// time. It is safe for concurrent use, waits no longer than its context, and takes any
// key and any value of up to MaxShared bytes. cachetest is its suite.
type Shared interface {
	// Get returns what is held of keys; what is not held is missing.
	Get(ctx context.Context, keys []string) (map[string][]byte, error)
	// Set carries out changes, each atomic by itself, and says of each whether it was.
	// The keys differ. An error means that any of them may have been carried out.
	Set(ctx context.Context, changes []Change) ([]bool, error)
	// Delete forgets keys. When it returns nil no Get returns what they had, and no Change
	// from that is carried out any more.
	Delete(ctx context.Context, keys []string) error
}

// MaxShared is the largest value that a Shared must take; larger ones stay in memory.
const MaxShared = 1000 << 10

// Change is a write to a Shared that depends on what it holds.
type Change struct {
	Key string
	Old []byte        // carried out only while this is held; nil: only while nothing is
	New []byte        // never empty
	TTL time.Duration // how long it is held: at least 1 ms; a Shared may hold it up to two seconds longer
}

// What is held of a key in a Shared begins with one of these.
const (
	kindLease    = 'L' // somebody is loading it; a random token follows
	kindValue    = 'V' // until and cost follow, then the value
	kindNegative = 'N' // it does not exist; until and cost follow
)

// frameHead is the length of what stands before a value: kind, until, cost.
const frameHead = 1 + 8 + 8

// frame is what is held of a key, taken apart.
type frame struct {
	kind  byte
	until time.Time     // when it is too old, by the clock of who stored it; a lease has none
	cost  time.Duration // what loading it took
	data  []byte
}

func newLease() []byte { return append([]byte{kindLease}, rand.Text()...) }

func (f frame) bytes() []byte {
	b := make([]byte, 0, frameHead+len(f.data))
	b = append(b, f.kind)
	b = binary.BigEndian.AppendUint64(b, uint64(f.until.UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, uint64(f.cost)) //nolint:gosec // and back
	return append(b, f.data...)
}

// parseFrame reads what is held; false: nothing of ours.
func parseFrame(b []byte) (frame, bool) {
	switch {
	case len(b) > 0 && b[0] == kindLease:
		return frame{kind: kindLease}, true
	case len(b) >= frameHead && (b[0] == kindValue || b[0] == kindNegative):
		until := time.UnixMilli(int64(binary.BigEndian.Uint64(b[1:]))) //nolint:gosec // as written
		cost := time.Duration(binary.BigEndian.Uint64(b[9:]))          //nolint:gosec // as written
		return frame{kind: b[0], until: until, cost: max(cost, 0), data: b[frameHead:]}, true
	default:
		return frame{}, false
	}
}

func encode[T any](v T) ([]byte, error) {
	if p, ok := any(v).(proto.Message); ok {
		return proto.Marshal(p)
	}
	return json.Marshal(v)
}

func decode[T any](b []byte) (T, error) {
	var v T
	if p, ok := any(v).(proto.Message); ok { // a pointer to a message, nil so far
		p = p.ProtoReflect().Type().New().Interface()
		if err := proto.Unmarshal(b, p); err != nil {
			return v, fmt.Errorf("cache: a shared value is no %T: %w", v, err)
		}
		v, _ = p.(T)
		return v, nil
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("cache: a shared value is no %T: %w", v, err)
	}
	return v, nil
}
