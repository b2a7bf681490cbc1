// Package kv makes NATS JetStream, 2.14 or newer, the second level of a cache: a
// cache.Shared. The edge's limits and quotas are shared by it too.
//
// A bucket is a stream that keeps the last message of each subject, one a key; a change
// depends on the sequence of the message that is there, so that it is atomic whoever else
// asks. Values expire by the message's own time to live, which counts in seconds.
package kv

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/bus/away"
	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/drivers/nats/internal/address"
)

// Config says where keys are kept.
type Config struct {
	Bucket string // a name of letters, digits and dashes; needed. Stores of one Bucket share their keys.
	// Durable keeps what is held on the disk of the server, synced as the server is told; else
	// it is kept in memory, and a restart of the server forgets it. It counts where the bucket
	// is made.
	Durable bool
	Client  string       // the name the server shows
	Log     *slog.Logger // nil: nothing is logged
}

const (
	dialWait = 2 * time.Second
	atOnce   = 64 // questions on their way at the same time, of one call
)

// Store is a connection to a bucket. It is safe for concurrent use.
type Store struct {
	stream   string
	subject  string // of a key, before it
	durable  bool
	replicas int
	conn     *natsgo.Conn
	js       jetstream.JetStream

	mu   sync.Mutex
	open jetstream.Stream // nil: to be looked for, or made
}

var _ cache.Shared = (*Store)(nil)

// Open returns a store at the server at url, as drivers/nats has it. The server need not
// be there yet, and may go and come back: only a URL or name that cannot be meant is an
// error. Who opens it closes it.
func Open(url string, c Config) (*Store, error) {
	at, err := address.Parse(url)
	if err != nil {
		return nil, err
	}
	if c.Bucket == "" || strings.Trim(c.Bucket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return nil, fmt.Errorf("nats: %.60q is not the name of a bucket: write letters, digits and dashes", c.Bucket)
	}
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log = log.With("store", at.Shown)
	conn, err := natsgo.Connect(at.Servers, natsgo.Name(c.Client),
		natsgo.RetryOnFailedConnect(true), natsgo.MaxReconnects(-1), natsgo.IgnoreAuthErrorAbort(),
		natsgo.CustomReconnectDelay(func(tries int) time.Duration { return away.Pause(tries - 1) }),
		natsgo.ReconnectBufSize(-1), natsgo.Timeout(dialWait), natsgo.PingInterval(5*time.Second), natsgo.MaxPingsOutstanding(2),
		natsgo.NoCallbacksAfterClientClose(),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) {
			log.Warn("the connection to the store has trouble", "error", err)
		}))
	if err != nil {
		return nil, fmt.Errorf("nats: connect to %s: %w", at.Shown, err)
	}
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(dialWait))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("nats: set up the connection to %s: %w", at.Shown, err)
	}
	return &Store{
		stream: "muster_kv_" + c.Bucket, subject: "muster-kv." + c.Bucket + ".",
		durable: c.Durable, replicas: at.Replicas, conn: conn, js: js,
	}, nil
}

// Close ends the connection. It always returns nil.
func (s *Store) Close() error {
	s.conn.Close()
	return nil
}

// at returns the subject of a key.
func (s *Store) at(key string) string {
	return s.subject + "k" + base64.RawURLEncoding.EncodeToString([]byte(key))
}

// bucket returns the stream, made where it is not there.
func (s *Store) bucket(ctx context.Context) (jetstream.Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !s.conn.IsConnected() {
		return nil, errors.New("nats: there is no connection to the store")
	}
	s.mu.Lock()
	open := s.open
	s.mu.Unlock()
	if open != nil {
		return open, nil
	}
	storage := jetstream.MemoryStorage
	if s.durable {
		storage = jetstream.FileStorage
	}
	open, err := s.js.Stream(ctx, s.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		open, err = s.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: s.stream, Subjects: []string{s.subject + "*"}, Storage: storage, Replicas: s.replicas,
			MaxMsgsPerSubject: 1, AllowMsgTTL: true, Discard: jetstream.DiscardOld, MaxMsgSize: cache.MaxShared + 4096,
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another was faster
			open, err = s.js.Stream(ctx, s.stream)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("nats: the bucket %s: %w", s.stream, err)
	}
	s.mu.Lock()
	s.open = open
	s.mu.Unlock()
	return open, nil
}

// lost has the stream looked for again where it is gone, as a server that started anew
// forgets one in memory.
func (s *Store) lost(err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, natsgo.ErrNoResponders) {
		s.mu.Lock()
		s.open = nil
		s.mu.Unlock()
	}
	return err
}

// entry is what is held of a key: its sequence is 0 when nothing is.
type entry struct {
	value    []byte
	sequence uint64
}

// read asks the stream's leader, as what was written must be seen.
func (s *Store) read(ctx context.Context, bucket jetstream.Stream, key string) (entry, error) {
	m, err := bucket.GetLastMsgForSubject(ctx, s.at(key))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return entry{}, nil
	case err != nil:
		return entry{}, fmt.Errorf("nats: read a key: %w", s.lost(err))
	}
	return entry{m.Data, m.Sequence}, nil
}

// each calls f with each of n, many at the same time, and returns the first error.
func each(n int, f func(i int) error) error {
	errs := make([]error, n)
	next := make(chan int)
	var all sync.WaitGroup
	for range min(n, atOnce) {
		all.Go(func() {
			for i := range next {
				errs[i] = f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Get returns what is held of keys.
func (s *Store) Get(ctx context.Context, keys []string) (map[string][]byte, error) {
	bucket, err := s.bucket(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]entry, len(keys))
	if err := each(len(keys), func(i int) (err error) {
		found[i], err = s.read(ctx, bucket, keys[i])
		return err
	}); err != nil {
		return nil, err
	}
	held := make(map[string][]byte, len(keys))
	for i, e := range found {
		if e.sequence != 0 {
			held[keys[i]] = e.value
		}
	}
	return held, nil
}

// Set carries out changes. Each costs two questions: what is there, and the change itself.
func (s *Store) Set(ctx context.Context, changes []cache.Change) ([]bool, error) {
	bucket, err := s.bucket(ctx)
	if err != nil {
		return nil, err
	}
	done := make([]bool, len(changes))
	err = each(len(changes), func(i int) (err error) {
		done[i], err = s.set(ctx, bucket, changes[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

func (s *Store) set(ctx context.Context, bucket jetstream.Stream, c cache.Change) (bool, error) {
	var there entry
	if c.Old != nil {
		var err error
		if there, err = s.read(ctx, bucket, c.Key); err != nil {
			return false, err
		}
		if there.sequence == 0 || string(there.value) != string(c.Old) {
			return false, nil
		}
	}
	_, err := s.js.Publish(ctx, s.at(c.Key), c.New, jetstream.WithExpectLastSequencePerSubject(there.sequence),
		jetstream.WithMsgTTL((c.TTL + time.Second - 1).Truncate(time.Second)), jetstream.WithRetryAttempts(0))
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("nats: change a key: %w", s.lost(err))
	}
	return true, nil
}

// Delete forgets keys.
func (s *Store) Delete(ctx context.Context, keys []string) error {
	bucket, err := s.bucket(ctx)
	if err != nil {
		return err
	}
	return each(len(keys), func(i int) error {
		if err := bucket.Purge(ctx, jetstream.WithPurgeSubject(s.at(keys[i]))); err != nil {
			return fmt.Errorf("nats: forget a key: %w", s.lost(err))
		}
		return nil
	})
}
