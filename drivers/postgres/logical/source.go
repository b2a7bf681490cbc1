package logical

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/musterdev/muster/data/cdc"
)

// SourceConfig names what is followed.
type SourceConfig struct {
	URL string // of the database, as postgres.Driver takes it
	// Tables that are followed, with their schemas: public.orders. All must have a primary key, or REPLICA IDENTITY.
	Tables []string
	// Publication is what the tables are published by. "" becomes muster_cdc_ and the follower's name, which is made
	// where it is not there; the user must own the tables for that. Where it is there it must have the tables.
	Publication string
	Log         *slog.Logger // nil: nowhere
}

var (
	tableName   = regexp.MustCompile(`^[^.\x00]{1,63}\.[^.\x00]{1,63}$`) //nolint:gochecknoglobals // a constant
	publishName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)          //nolint:gochecknoglobals // a constant
)

// NewSource returns a PostgreSQL database as a source of its changes, for cdc.Follower; nobody is asked yet. Followers of
// different names may share it. Values are the texts that PostgreSQL writes, with dates in ISO style and times in UTC.
func NewSource(c SourceConfig) (cdc.Source, error) {
	if _, err := pgconn.ParseConfig(c.URL); err != nil {
		return nil, errors.New("logical: the URL of the source cannot be read: write postgres://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	if len(c.Tables) == 0 {
		return nil, errors.New("logical: the source has no Tables: name those to be followed, such as public.orders")
	}
	for _, t := range c.Tables {
		if !tableName.MatchString(t) {
			return nil, fmt.Errorf("logical: %.80q is no table with its schema, such as public.orders", t)
		}
	}
	if c.Publication != "" && !publishName.MatchString(c.Publication) {
		return nil, fmt.Errorf("logical: the publication %.80q: use at most 63 of a-z, 0-9 and _", c.Publication)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &source{c}, nil
}

type source struct{ SourceConfig }

func slotOf(name string) string { return "muster_cdc_" + name }

func (s *source) publicationOf(name string) string {
	if s.Publication != "" {
		return s.Publication
	}
	return slotOf(name)
}

// open returns a pool on the source for a few questions.
func (s *source) open() (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(s.URL)
	if err != nil {
		return nil, errors.New("logical: the URL of the source cannot be read")
	}
	delete(cfg.RuntimeParams, "pool_max_conns")
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(2)
	return db, nil
}

// Forget drops the slot, and the publication if it is ours.
func (s *source) Forget(ctx context.Context, name string) error {
	db, err := s.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing is left to be lost
	if err := dropSlot(ctx, db, slotOf(name)); err != nil {
		return err
	}
	if s.Publication != "" {
		return nil
	}
	if _, err := db.ExecContext(ctx, `DROP PUBLICATION IF EXISTS `+s.publicationOf(name)); err != nil {
		return fmt.Errorf("logical: %w", err)
	}
	return nil
}

// prepare sees to it that the tables can be followed, and are published.
func (s *source) prepare(ctx context.Context, db *sql.DB, name string) ([]cdc.Table, error) {
	unfit, err := fit(ctx, db)
	if err != nil {
		return nil, err
	}
	if unfit != "" {
		return nil, &cdc.SetupError{Err: errors.New("logical: the source cannot be followed: " + unfit)}
	}
	var tables []cdc.Table
	for _, t := range s.Tables {
		columns, err := columnsOf(ctx, db, t)
		if err != nil {
			return nil, err
		}
		tables = append(tables, cdc.Table{Name: t, Columns: columns})
	}
	return tables, s.publish(ctx, db, s.publicationOf(name))
}

// columnsOf returns the columns of a table that are published.
func columnsOf(ctx context.Context, db *sql.DB, table string) (columns []cdc.Column, err error) {
	schema, bare, _ := strings.Cut(table, ".")
	var oid uint32
	var identity, kind string
	err = db.QueryRowContext(ctx, `SELECT c.oid, c.relreplident::text, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
		schema, bare).Scan(&oid, &identity, &kind)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, &cdc.SetupError{Err: fmt.Errorf("logical: the source has no table %s", table)}
	case err != nil:
		return nil, fmt.Errorf("logical: %w", err)
	case kind != "r":
		return nil, &cdc.SetupError{Err: fmt.Errorf("logical: %s is no plain table (relkind %s): follow the tables that it is made of", table, kind)}
	}
	// a row is known by its identity: all columns (f), an index (i), or the primary key (d)
	rows, err := db.QueryContext(ctx, `SELECT a.attname, format_type(a.atttypid, a.atttypmod), $2 = 'f' OR COALESCE(a.attnum = ANY (i.indkey), false) FROM pg_attribute a
		LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND ($2 = 'd' AND i.indisprimary OR $2 = 'i' AND i.indisreplident)
		WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum`, oid, identity)
	if err != nil {
		return nil, fmt.Errorf("logical: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c cdc.Column
		if err := rows.Scan(&c.Name, &c.Type, &c.Key); err != nil {
			return nil, fmt.Errorf("logical: %w", err)
		}
		columns = append(columns, c)
	}
	if !slices.ContainsFunc(columns, func(c cdc.Column) bool { return c.Key }) {
		return nil, &cdc.SetupError{Err: fmt.Errorf("logical: the rows of %s cannot be told apart, and publishing it would make its UPDATEs fail: "+
			"give it a primary key, or ALTER TABLE %[1]s REPLICA IDENTITY FULL", table)}
	}
	return columns, rows.Err()
}

// Follow reads on behind a position.
func (s *source) Follow(ctx context.Context, name string, behind cdc.Position) (cdc.Following, error) {
	at, err := parsePlace(string(behind))
	if err != nil {
		return nil, err
	}
	db, err := s.open()
	if err != nil {
		return nil, err
	}
	f, err := s.follow(ctx, db, name, at)
	if err != nil {
		_ = db.Close() // the first error is the one to report
		return nil, err
	}
	return f, nil
}

func (s *source) follow(ctx context.Context, db *sql.DB, name string, at place) (*changes, error) {
	slot := slotOf(name)
	if err := free(ctx, db, slot); err != nil {
		return nil, err
	}
	lost, err := whole(ctx, db, slot, at.end)
	if err != nil {
		return nil, err
	}
	if lost != "" {
		return nil, &cdc.LostError{Why: lost}
	}
	if at.tables, err = s.still(ctx, db, s.publicationOf(name), at.tables); err != nil {
		return nil, err
	}
	f, err := start(ctx, s.URL, slot, at.end, protocol, "publication_names '"+s.publicationOf(name)+"'")
	if err != nil {
		return nil, fmt.Errorf("logical: the slot %s cannot be read: %w", slot, err)
	}
	still := func(ctx context.Context) error {
		_, err := s.still(ctx, db, s.publicationOf(name), at.tables)
		return err
	}
	return &changes{feed: f, db: db, place: at, known: at, still: still, looked: time.Now(), wanted: s.Tables, tables: map[uint32]*cdc.Table{}, types: map[[2]int64]string{}}, nil
}

// Copy makes a slot, and reads the tables as they were when it was made.
func (s *source) Copy(ctx context.Context, name string) (cdc.Copying, error) {
	db, err := s.open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }() // nothing is left to be lost
	tables, err := s.prepare(ctx, db, name)
	if err != nil {
		return nil, err
	}
	whose, err := foreign(ctx, db, slotOf(name))
	if err != nil {
		return nil, err
	}
	if whose != "" { // slots are of the whole server
		return nil, &cdc.SetupError{Err: fmt.Errorf("logical: the server has a replication slot %s already, of %s: give the follower another name", slotOf(name), whose)}
	}
	known, err := s.identities(ctx, db, s.publicationOf(name)) // before the slot is made: what happens to them behind it is seen
	if err != nil {
		return nil, err
	}
	if err := dropSlot(ctx, db, slotOf(name)); err != nil {
		return nil, err
	}
	keeps(ctx, db, s.Log, slotOf(name))
	exporting, err := connect(ctx, s.URL)
	if err != nil {
		return nil, err
	}
	defer hangUp(exporting) // the snapshot is in use by then
	made, err := pglogrepl.CreateReplicationSlot(ctx, exporting, slotOf(name), "pgoutput", pglogrepl.CreateReplicationSlotOptions{
		Mode: pglogrepl.LogicalReplication, SnapshotAction: "EXPORT_SNAPSHOT",
	})
	if err != nil {
		return nil, full(err)
	}
	begin, err := pglogrepl.ParseLSN(made.ConsistentPoint)
	if err != nil {
		return nil, fmt.Errorf("logical: %w", err)
	}
	return openCopy(ctx, s.URL, made.SnapshotName, place{end: begin, tables: joined(known)}, tables)
}
