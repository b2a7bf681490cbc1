package logical

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
)

// Outbox has the outboxes of services leave by the log, where their database is PostgreSQL; it is passed
// to muster.With beside postgres.Driver. Read what package logical says of slots before.
var Outbox out

type out struct{}

// Name returns "outbox by the log".
func (out) Name() string { return "outbox by the log" }

// OutboxSchemes returns the URL schemes of the databases that it is for.
func (out) OutboxSchemes() []string { return []string{"postgres", "postgresql"} }

// OutboxStream is NewStream.
func (out) OutboxStream(url string, log *slog.Logger) (outbox.Stream, error) {
	return NewStream(url, log)
}

// publication is the one that reading needs; it has no tables.
const publication = "muster_outbox"

// The server answers in the protocol's first version, with messages.
const (
	protocol = "proto_version '1'"
	messages = "messages 'true'"
)

// NewStream returns the way out of the outbox of a database by its log, for outbox.Relay. url is
// that of the database, as postgres.Driver takes it; log may be nil. It is safe for concurrent use.
func NewStream(url string, log *slog.Logger) (outbox.Stream, error) {
	if _, err := pgconn.ParseConfig(url); err != nil {
		return nil, errors.New("logical: the URL of the database cannot be read: write postgres://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &stream{url, log}, nil
}

type stream struct {
	url string
	log *slog.Logger
}

// Create makes the publication and the slot.
func (s *stream) Create(ctx context.Context, db *sql.DB) (slot string, begin outbox.Position, err error) {
	unfit, err := fit(ctx, db)
	if err != nil {
		return "", "", err
	}
	if unfit != "" {
		return "", "", &outbox.SetupError{Err: errors.New("logical: the outbox cannot leave by the log: " + unfit)}
	}
	var there bool
	err = db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_publication WHERE pubname = $1),
		'muster_outbox_' || (SELECT oid FROM pg_database WHERE datname = current_database()) || '_' || CAST(CAST('muster_outbox' AS regclass) AS oid)`, publication).Scan(&there, &slot)
	if err == nil && !there {
		_, err = db.ExecContext(ctx, `CREATE PUBLICATION `+publication)
	}
	switch tx.SQLState(err) {
	case "42501":
		return "", "", &outbox.SetupError{Err: fmt.Errorf("logical: the user may not make the publication %s: GRANT CREATE ON DATABASE to it, or have it made: CREATE PUBLICATION %[1]s: %w", publication, err)}
	case "42710": // another was faster
		err = nil
	}
	if err != nil {
		return "", "", fmt.Errorf("logical: %w", err)
	}
	lsn, err := makeSlot(ctx, db, slot)
	if err != nil {
		return "", "", err
	}
	keeps(ctx, db, s.log, slot)
	return slot, outbox.Position(lsn), nil
}

// Open reads on from a position.
func (s *stream) Open(ctx context.Context, db *sql.DB, slot string, behind outbox.Position) (outbox.Reader, error) {
	at, err := parsePlace(string(behind))
	if err != nil {
		return nil, err
	}
	if err := free(ctx, db, slot); err != nil {
		return nil, err
	}
	lost, err := whole(ctx, db, slot, at.end)
	if err != nil {
		return nil, err
	}
	if lost != "" {
		return nil, &outbox.LostError{Why: lost}
	}
	prefix, err := prefixOf(ctx, db)
	if err != nil {
		return nil, err
	}
	f, err := start(ctx, s.url, slot, at.end, protocol, "publication_names '"+publication+"'", messages)
	if err != nil {
		return nil, fmt.Errorf("logical: the slot %s cannot be read: %w", slot, err)
	}
	return &reader{feed: f, decoder: decoder{prefix: prefix, place: at, known: at}}, nil
}

// prefixOf returns what the messages of this outbox begin with.
func prefixOf(ctx context.Context, db querier) (prefix string, err error) {
	err = db.QueryRowContext(ctx, `SELECT 'muster.outbox/' || n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = CAST('muster_outbox' AS regclass)`).Scan(&prefix)
	if err != nil {
		return "", fmt.Errorf("logical: %w", err)
	}
	return prefix, nil
}

// Rest peeks at what was not read.
func (s *stream) Rest(ctx context.Context, t tx.Tx, slot string, behind outbox.Position) (rest []outbox.Logged, err error) {
	at, err := parsePlace(string(behind))
	if err != nil {
		return nil, err
	}
	if err := free(ctx, t, slot); err != nil {
		return nil, err
	}
	lost, err := whole(ctx, t, slot, at.end)
	if err != nil {
		return nil, err
	}
	if lost != "" {
		return nil, &outbox.LostError{Why: lost}
	}
	prefix, err := prefixOf(ctx, t)
	if err != nil {
		return nil, err
	}
	rows, err := t.QueryContext(ctx, `SELECT data FROM pg_logical_slot_peek_binary_changes($1, CAST(NULL AS pg_lsn), CAST(NULL AS integer), 'proto_version', '1', 'publication_names', $2, 'messages', 'true')`, slot, publication)
	if err != nil {
		return nil, fmt.Errorf("logical: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	d := decoder{prefix: prefix, place: at, known: at}
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return nil, fmt.Errorf("logical: %w", err)
		}
		msg, err := pglogrepl.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("logical: %w", err)
		}
		if m, ok := d.take(event{msg: msg}); ok && m.Attributes != "" {
			rest = append(rest, m)
		}
	}
	return rest, rows.Err()
}

// Drop removes the slot.
func (s *stream) Drop(ctx context.Context, db *sql.DB, slot string) error {
	return dropSlot(ctx, db, slot)
}

// decoder makes messages of the outbox of what the log has.
type decoder struct {
	prefix string
	place  place // where it is
	known  place // where it began: what is before was had already
	inside bool  // a transaction
	at     time.Time
}

// take takes one event; ok reports a message.
func (d *decoder) take(e event) (m outbox.Logged, ok bool) {
	switch msg := e.msg.(type) {
	case nil:
		if !d.inside && e.at > d.place.end {
			d.place = place{end: e.at}
		}
	case *pglogrepl.BeginMessage:
		d.inside, d.at = true, msg.CommitTime
		d.place.commit, d.place.done = msg.FinalLSN, 0
	case *pglogrepl.CommitMessage:
		d.inside = false
		if msg.TransactionEndLSN > d.place.end {
			d.place = place{end: msg.TransactionEndLSN}
		}
	case *pglogrepl.LogicalDecodingMessage:
		if !msg.Transactional || msg.Prefix != d.prefix {
			return m, false
		}
		d.place.done++
		if d.place.commit == d.known.commit && d.place.done <= d.known.done {
			return m, false
		}
		attributes, data, _ := bytes.Cut(msg.Content, []byte{0})
		return outbox.Logged{
			Attributes: string(attributes), Data: data, Number: uint64(d.place.commit), Committed: d.at, After: outbox.Position(d.place.String()),
		}, true
	}
	return m, false
}

// reader is a stream being read.
type reader struct {
	*feed
	decoder
}

// Next returns what is there.
func (r *reader) Next(ctx context.Context, wait time.Duration, most, size int) (batch []outbox.Logged, end outbox.Position, err error) {
	got := 0
	err = r.collect(ctx, wait, func(e event) (some, part, full bool, err error) {
		if m, ok := r.take(e); ok {
			batch = append(batch, m)
			got += len(m.Data)
		}
		return len(batch) > 0, r.inside, len(batch) >= most || got >= size, nil
	})
	if tx.SQLState(err) == "42704" { // the log is read by what there was at each place of it: making the publication again does not help
		return nil, "", &outbox.LostError{Why: "the publication " + publication + " was dropped, and the server does not read its log across that"}
	}
	if err != nil {
		return nil, "", err
	}
	return batch, outbox.Position(r.place.String()), nil
}

// Confirm lets the server forget.
func (r *reader) Confirm(p outbox.Position) {
	if at, err := parsePlace(string(p)); err == nil && uint64(at.end) > r.confirmed.Load() {
		r.confirmed.Store(uint64(at.end))
	}
}

// Close ends the reading.
func (r *reader) Close() error {
	r.close()
	return nil
}
