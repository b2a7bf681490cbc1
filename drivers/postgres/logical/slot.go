package logical

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/musterdev/muster/data/tx"
)

// querier is a *sql.DB or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// fit reports in one line why the log of a server cannot be read.
func fit(ctx context.Context, db querier) (unfit string, err error) {
	var level, user, database string
	var may, standby bool
	var version int
	err = db.QueryRowContext(ctx, `SELECT current_setting('wal_level'), current_user, current_database(), rolsuper OR rolreplication, pg_is_in_recovery(),
		CAST(current_setting('server_version_num') AS integer) FROM pg_roles WHERE rolname = current_user`).Scan(&level, &user, &database, &may, &standby, &version)
	switch {
	case err != nil:
		return "", fmt.Errorf("logical: %w", err)
	case version < 140000:
		return fmt.Sprintf("its log can be read from PostgreSQL 14 on, and this is %d", version/10000), nil
	case level != "logical":
		return "the server writes wal_level=" + level + ": set wal_level = logical in postgresql.conf and restart it", nil
	case standby:
		return "the server is a standby: connect to the primary", nil
	case !may:
		return fmt.Sprintf("the user %q may not read the log: ALTER ROLE %s REPLICATION", user, quote(user)), nil
	default:
		return "", nil
	}
}

// keeps warns of a server that keeps its log for a slot until the disk is full.
func keeps(ctx context.Context, db querier, log *slog.Logger, slot string) {
	var size string
	if db.QueryRowContext(ctx, `SELECT current_setting('max_slot_wal_keep_size')`).Scan(&size) == nil && size == "-1" {
		log.WarnContext(ctx, "the server keeps its log for a reader that is away until the disk is full: set max_slot_wal_keep_size, such as 10GB", "slot", slot)
	}
}

// make creates a slot, in the place of one of its name, and returns where it begins.
func makeSlot(ctx context.Context, db querier, slot string) (begin string, err error) {
	if err := dropSlot(ctx, db, slot); err != nil {
		return "", err
	}
	err = db.QueryRowContext(ctx, `SELECT CAST(lsn AS text) FROM pg_create_logical_replication_slot($1, 'pgoutput')`, slot).Scan(&begin)
	return begin, full(err)
}

func full(err error) error {
	if err == nil {
		return nil
	}
	if tx.SQLState(err) == "53400" {
		return fmt.Errorf("logical: all slots of the server are taken: raise max_replication_slots, or drop one that nobody reads (pg_replication_slots): %w", err)
	}
	return fmt.Errorf("logical: %w", err)
}

// dropSlot removes a slot of the database, if it is there, and ends whoever reads it.
func dropSlot(ctx context.Context, db querier, slot string) error {
	if err := free(ctx, db, slot); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()`, slot)
	if err != nil {
		return fmt.Errorf("logical: %w", err)
	}
	return nil
}

// foreign returns which other database a slot is of, or whose it is if it is no logical one; "" where the name is free or the database's own.
func foreign(ctx context.Context, db querier, slot string) (whose string, err error) {
	err = db.QueryRowContext(ctx, `SELECT COALESCE('the database ' || database, 'a standby') FROM pg_replication_slots
		WHERE slot_name = $1 AND database IS DISTINCT FROM current_database()`, slot).Scan(&whose)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("logical: %w", err)
	}
	return whose, nil
}

const freeWithin = 5 * time.Second

// free ends the connection that reads a slot: its process died, or was paused for longer
// than its lease.
func free(ctx context.Context, db querier, slot string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(freeWithin); ; {
		var reader int
		err := db.QueryRowContext(ctx, `SELECT COALESCE(active_pid, 0) FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()`, slot).Scan(&reader)
		switch {
		case errors.Is(err, sql.ErrNoRows), err == nil && reader == 0:
			return nil
		case err != nil:
			return fmt.Errorf("logical: %w", err)
		case time.Now().After(end):
			return fmt.Errorf("logical: the slot %s is read by the server's process %d, which does not end: SELECT pg_terminate_backend(%[2]d)", slot, reader)
		}
		if _, err := db.ExecContext(ctx, `SELECT pg_terminate_backend($1)`, reader); err != nil {
			return fmt.Errorf("logical: the slot %s is read by the server's process %d: %w", slot, reader, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// whole reports why a slot has not all that is behind a place; "" when it has.
func whole(ctx context.Context, db querier, slot string, behind pglogrepl.LSN) (lost string, err error) {
	var plugin, state, confirmed string
	var here, ahead bool
	err = db.QueryRowContext(ctx, `SELECT plugin, database = current_database(), COALESCE(wal_status, 'lost'), COALESCE(CAST(confirmed_flush_lsn AS text), '0/0'),
		CASE WHEN pg_is_in_recovery() THEN false ELSE CAST($2 AS pg_lsn) > pg_current_wal_insert_lsn() END
		FROM pg_replication_slots WHERE slot_name = $1`, slot, behind.String()).Scan(&plugin, &here, &state, &confirmed, &ahead)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Sprintf("the replication slot %s is missing: it was dropped, or the server is another one (restored, or a standby that took over)", slot), nil
	}
	if err != nil {
		return "", fmt.Errorf("logical: %w", err)
	}
	at, err := pglogrepl.ParseLSN(confirmed)
	switch {
	case err != nil:
		return "", fmt.Errorf("logical: %w", err)
	case state == "lost":
		return fmt.Sprintf("the server has given the replication slot %s up (wal_status lost): what it had kept was more than max_slot_wal_keep_size", slot), nil
	case plugin != "pgoutput" || !here:
		return fmt.Sprintf("the replication slot %s is another one: somebody dropped it and made one of its name, for another database of the server or by another plugin", slot), nil
	case ahead: // the server would wait in silence until its log is there again, and leave out all before
		return fmt.Sprintf("the server's log ends before what was read (%s): the server went back to an earlier time (restored from a backup or a copy of its disk)", behind), nil
	case at > behind:
		return fmt.Sprintf("the replication slot %s is at %s, further than what was read (%s): somebody made it anew, or read it", slot, at, behind), nil
	default:
		return "", nil
	}
}

// quote writes a name as SQL has it.
func quote(name string) string {
	out := []byte{'"'}
	for i := range len(name) {
		if name[i] == '"' {
			out = append(out, '"')
		}
		out = append(out, name[i])
	}
	return string(append(out, '"'))
}

// place is where a reader is: behind all transactions that ended before end, and behind so many
// messages of the one whose commit is at commit.
type place struct {
	end, commit pglogrepl.LSN
	done        int
	tables      string // which they were, as identities has it; "" of no tables, or of before this was noted
}

func (p place) String() string {
	s := p.end.String()
	if p.done > 0 {
		s = fmt.Sprintf("%s %s %d", p.end, p.commit, p.done)
	}
	if p.tables != "" {
		s += " " + ofTables + p.tables
	}
	return s
}

// ofTables begins the part of a place that says which tables are followed.
const ofTables = "tables="

func parsePlace(s string) (p place, err error) {
	log, tables, _ := strings.Cut(s, " "+ofTables)
	p.tables = tables
	var end, commit, done string
	n, _ := fmt.Sscan(log, &end, &commit, &done) // a short one is met below
	if p.end, err = pglogrepl.ParseLSN(end); err == nil && n == 3 {
		if p.commit, err = pglogrepl.ParseLSN(commit); err == nil {
			p.done, err = strconv.Atoi(done)
		}
	}
	if err != nil || n == 2 {
		return place{}, fmt.Errorf("logical: %q is no place in the log, such as 0/16B3748", s)
	}
	return p, nil
}
