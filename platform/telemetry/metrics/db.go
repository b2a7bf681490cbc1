package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
	"github.com/musterdev/muster/platform/telemetry/metrics/scrape"
	"github.com/musterdev/muster/platform/telemetry/metrics/translate"
)

const (
	tend      = time.Minute // how often what is in memory is looked after
	exemplars = 20_000      // that are kept, in memory
	queries   = 8           // that run at a time
	never     = 10 * 365 * 24 * time.Hour
)

// DB is a database of metrics. All its methods may be called concurrently.
type DB struct {
	cfg    Config
	dir    string
	tsdb   *tsdb.DB             // between enter and leave
	own    *prometheus.Registry // what tsdb counts
	engine *promql.Engine
	parser parser.Parser
	otlp   *translate.Translator
	guard  *guard
	meta   families
	counts counts
	disk   disk
	scrape *scrape.Scraper // nil: nothing is

	writing sync.Mutex // one commit at a time
	use     use
}

// Open opens the database in dir, which it makes when it is missing, and takes up what
// is there: a torn end of its log is cut and a block that cannot be read is set aside as
// NAME.corrupt; both are logged. It fails when another process has dir open. The owner
// calls Run, and Close at the end.
func Open(dir string, cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	store, own, err := open(dir, cfg)
	if err != nil {
		return nil, err
	}
	p := parser.NewParser(parser.Options{})
	db := &DB{
		cfg: cfg, dir: dir, tsdb: store, own: own, parser: p,
		engine: promql.NewEngine(promql.EngineOpts{
			Logger: cfg.Log, MaxSamples: cfg.MaxSamples, Timeout: cfg.Timeout, Parser: p,
			NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
			EnableAtModifier:         true, EnableNegativeOffset: true, ActiveQueryTracker: make(slots, queries),
		}),
		otlp:  translate.New(translate.Config{Namespace: cfg.Namespace, Ahead: cfg.Ahead, MaxDeltas: cfg.Series}),
		guard: newGuard(cfg.SeriesPerService, cfg.Series),
		meta:  families{known: map[string]sample.Meta{}},
		disk:  disk{dir: dir, reserve: cfg.Reserve, now: cfg.Now},
	}
	db.use.changed.L = &db.use.mu
	if cfg.Targets != nil {
		db.scrape = scrape.New(scrape.Config{Targets: cfg.Targets, Every: cfg.ScrapeEvery, Sink: db.appendScraped, Log: cfg.Log, Now: cfg.Now})
	}
	if err := db.remember(); err != nil {
		return nil, errors.Join(fmt.Errorf("metrics: reading the series in %s: %w", dir, err), store.Close())
	}
	return db, nil
}

// open opens tsdb, setting aside the blocks that it cannot read.
func open(dir string, cfg Config) (*tsdb.DB, *prometheus.Registry, error) {
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = cfg.Retention.Milliseconds()
	opts.MaxBytes = cfg.Bytes
	opts.MaxBlockDuration = max(opts.MinBlockDuration, min(cfg.Retention.Milliseconds()/10, (31*24*time.Hour).Milliseconds()))
	opts.OutOfOrderTimeWindow = cfg.OutOfOrder.Milliseconds()
	opts.WALCompression = compression.Snappy
	opts.EnableExemplarStorage, opts.MaxExemplars = true, exemplars
	opts.StripeSize = 1 << 12
	opts.BlockReloadInterval = never
	log := slog.New(warnings{cfg.Log.Handler()})
	own := prometheus.NewRegistry()
	store, err := tsdb.Open(dir, log, own, opts, nil)
	if err != nil && !locked(err) && setAside(dir, cfg) > 0 {
		own = prometheus.NewRegistry() // the first try's would be in the way
		store, err = tsdb.Open(dir, log, own, opts, nil)
	}
	switch {
	case err == nil:
		// Blocks are made, and what is in memory written to the disk, by Run: there an
		// error is one, where in tsdb's own loop a full disk ends the process.
		store.DisableCompactions()
		return store, own, nil
	case locked(err):
		return nil, nil, fmt.Errorf("metrics: %s is in use by another process: end it, or choose another folder: %w", dir, err)
	}
	return nil, nil, fmt.Errorf("metrics: cannot open %s: %w", dir, err)
}

// setAside renames the blocks that cannot be opened and returns how many there were.
func setAside(dir string, cfg Config) (n int) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err != nil || !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		block, err := tsdb.OpenBlock(cfg.Log, path, nil, nil)
		if err == nil {
			err = block.Close()
		}
		if err == nil {
			continue
		}
		cfg.Log.Error("a block of metrics cannot be read and is set aside", "block", path+".corrupt", "err", err)
		if os.Rename(path, path+".corrupt") == nil {
			n++
		}
	}
	return n
}

// Run makes blocks of what is in memory, removes what is too old or too much, and
// scrapes the targets, until ctx ends; then it returns nil. Without it memory grows.
func (db *DB) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	if db.scrape != nil {
		all.Go(func() { db.scrape.Run(ctx) })
	}
	tick := time.NewTicker(tend)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := db.maintain(ctx); err != nil && ctx.Err() == nil {
			db.cfg.Log.Error("looking after the metrics failed, and is tried again in a minute", "err", err)
		}
	}
}

// maintain does what is due.
func (db *DB) maintain(ctx context.Context) (err error) {
	if db.use.isBroken() {
		return nil // Append mends it
	}
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	idle := db.cfg.Now().Add(-db.cfg.Idle)
	db.guard.forget(idle.UnixMilli())
	db.otlp.Forget(idle)
	if err := db.disk.room(); err != nil {
		return err
	}
	defer recovered(&err) // tsdb panics when it cannot write a chunk
	db.tsdb.ForceHeadMMap()
	return db.tsdb.Compact(ctx)
}

// recovered makes an error of a panic: tsdb panics when the disk is full at a bad moment.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = errors.Join(*err, fmt.Errorf("metrics: the database failed: %v", p))
	}
}

// warnings lets through what a person should know: tsdb tells much about its daily work.
type warnings struct{ slog.Handler }

func (h warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}
func (h warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{h.Handler.WithAttrs(a)} }
func (h warnings) WithGroup(name string) slog.Handler   { return warnings{h.Handler.WithGroup(name)} }
