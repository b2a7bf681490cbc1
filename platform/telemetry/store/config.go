package store

import (
	"log/slog"
	"time"
)

// Limit is how much of a service is kept: what is older, or would make it more, goes.
type Limit struct {
	Age   time.Duration // 0: 7 days
	Bytes int64         // on the disk; 0: 1 GiB
}

// Config of a [Store]. The zero value is usable.
type Config struct {
	Log *slog.Logger     // nil: discard
	Now func() time.Time // nil: time.Now

	Retention Limit            // of each service
	Services  map[string]Limit // of those that differ; what a Limit leaves out is taken from Retention
	Total     int64            // bytes of all services together, 0: 8 GiB; the largest service gives first

	BlockRows int           // spans or records of a block, 0: 16,384; at most 65,536
	SealIdle  time.Duration // a service that sent nothing for so long has its rows written to a block; 0: 1 minute
	SealAfter time.Duration // and so has one whose oldest row waits for so long; 0: 10 minutes
	HeadBytes int64         // memory for what is not in blocks yet, of all services, 0: 128 MiB
	WALBytes  int64         // disk for what is not in blocks yet, 0: 256 MiB

	unsynced bool // blocks are not synced: for tests that write very many
}

const (
	pageRows = 2048
	maxRows  = 1 << 16
)

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Retention = c.Retention.or(Limit{Age: 7 * 24 * time.Hour, Bytes: 1 << 30})
	c.Total = positive(c.Total, 8<<30)
	c.BlockRows = min(positive(c.BlockRows, 8*pageRows), maxRows)
	c.SealIdle = positive(c.SealIdle, time.Minute)
	c.SealAfter = positive(c.SealAfter, 10*time.Minute)
	c.HeadBytes = positive(c.HeadBytes, 128<<20)
	c.WALBytes = positive(c.WALBytes, 256<<20)
	return c
}

// limit returns what holds for a service.
func (c Config) limit(service string) Limit { return c.Services[service].or(c.Retention) }

func (l Limit) or(other Limit) Limit {
	return Limit{Age: positive(l.Age, other.Age), Bytes: positive(l.Bytes, other.Bytes)}
}

func positive[T int | int64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
