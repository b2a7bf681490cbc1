package logical

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/musterdev/muster/data/cdc"
	"github.com/musterdev/muster/data/tx"
)

// publish makes the publication, or sees that it has the tables, all of their rows and columns, and all changes.
func (s *source) publish(ctx context.Context, db *sql.DB, publication string) error {
	var quotedTables []string
	for _, t := range s.Tables {
		quotedTables = append(quotedTables, quoted(t))
	}
	create := `CREATE PUBLICATION ` + publication + ` FOR TABLE ` + strings.Join(quotedTables, ", ") //nolint:gosec // names that were checked, or are quoted
	var there bool
	if err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_publication WHERE pubname = $1)`, publication).Scan(&there); err != nil {
		return fmt.Errorf("logical: %w", err)
	}
	if !there {
		if _, err := db.ExecContext(ctx, create); err != nil {
			if tx.SQLState(err) == "42501" {
				return &cdc.SetupError{Err: fmt.Errorf("logical: the user may not publish the tables; let their owner do it: %s: %w", create, err)}
			}
			return fmt.Errorf("logical: %w", err)
		}
	}
	all, err := s.published(ctx, db, publication)
	if err != nil {
		return err
	}
	for i, t := range s.Tables {
		p, there := all[t]
		switch {
		case !there:
			return &cdc.SetupError{Err: fmt.Errorf("logical: the publication %s has not the table %s: ALTER PUBLICATION %[1]s ADD TABLE %[3]s", publication, t, quotedTables[i])}
		case !p.changes:
			return &cdc.SetupError{Err: fmt.Errorf("logical: the publication %s leaves out some changes: ALTER PUBLICATION %[1]s SET (publish = 'insert, update, delete, truncate')", publication)}
		case p.narrow:
			return &cdc.SetupError{Err: fmt.Errorf("logical: the publication %s leaves out rows or columns of %s: "+
				"publish it without WHERE and without columns: ALTER PUBLICATION %[1]s DROP TABLE %[3]s, and then ADD TABLE %[3]s", publication, t, quotedTables[i])}
		}
	}
	return nil
}

// publishing is how a table is published.
type publishing struct {
	changes bool   // all kinds of them
	narrow  bool   // not all rows, or not all columns
	id      string // another one once the table or the way it is published was another for a while
}

// published returns the tables of a publication that are to be followed. Row filters and lists of columns are of PostgreSQL 15 and
// newer, hence the JSON.
func (s *source) published(ctx context.Context, db *sql.DB, publication string) (all map[string]publishing, err error) {
	rows, err := db.QueryContext(ctx, `SELECT t.schemaname || '.' || t.tablename, p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate,
			COALESCE(to_jsonb(r) ->> 'prqual', to_jsonb(r) ->> 'prattrs') IS NOT NULL, concat_ws(' ', p.oid, p.xmin, c.oid, r.oid)
		FROM pg_publication p JOIN pg_publication_tables t ON t.pubname = p.pubname JOIN pg_namespace n ON n.nspname = t.schemaname
			JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
		WHERE p.pubname = $1`, publication)
	if err != nil {
		return nil, fmt.Errorf("logical: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all = map[string]publishing{}
	for rows.Next() {
		var p publishing
		var name string
		if err := rows.Scan(&name, &p.changes, &p.narrow, &p.id); err != nil {
			return nil, fmt.Errorf("logical: %w", err)
		}
		if slices.Contains(s.Tables, name) {
			p.id = fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(name+" "+p.id)))
			all[name] = p
		}
	}
	return all, rows.Err()
}

// identities tells which tables are followed.
func (s *source) identities(ctx context.Context, db *sql.DB, publication string) (known []string, err error) {
	all, err := s.published(ctx, db, publication)
	for _, p := range all {
		known = append(known, p.id)
	}
	slices.Sort(known)
	return known, err
}

func joined(ids []string) string { return strings.Join(ids, ",") }

// still sees that the tables are those that were copied, and were published ever since: the server says nothing where they were not, and
// sends the changes of other tables, or none. known is what a place has of them, and what it is to have is returned.
func (s *source) still(ctx context.Context, db *sql.DB, publication, known string) (string, error) {
	all, err := s.published(ctx, db, publication)
	if err != nil {
		return "", err
	}
	var now []string
	for _, t := range s.Tables {
		p, there := all[t]
		if !there || !p.changes || p.narrow || known != "" && !strings.Contains(known, p.id) {
			return "", &cdc.LostError{Why: fmt.Sprintf("%s is not the table that was copied, with each of its changes published by %s ever since: "+
				"it was made anew or renamed, the publication was changed, or the table is followed only now", t, publication)}
		}
		now = append(now, p.id)
	}
	if known == "" { // noted by none before
		slices.Sort(now)
		known = joined(now)
	}
	return known, nil
}
