package logical

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/musterdev/muster/data/cdc"
)

// fetched is how many rows are read at once.
const fetched = 500

// asTexts are the settings that values are written by, in the snapshot and in the log alike.
func asTexts() map[string]string {
	return map[string]string{"datestyle": "ISO", "intervalstyle": "postgres", "timezone": "UTC", "extra_float_digits": "3", "bytea_output": "hex", "client_encoding": "UTF8"}
}

// snapshot is all rows as they were at one moment.
type snapshot struct {
	conn   *pgconn.PgConn
	begin  place
	tables []cdc.Table
	left   []cdc.Table
	open   bool // there is a cursor on the first of those left
	read   int  // rows of it
}

// openCopy begins a transaction that sees what the snapshot does.
func openCopy(ctx context.Context, url, name string, begin place, tables []cdc.Table) (*snapshot, error) {
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, errors.New("logical: the URL of the source cannot be read")
	}
	delete(cfg.RuntimeParams, "pool_max_conns")
	maps.Copy(cfg.RuntimeParams, asTexts())
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("logical: %w", err)
	}
	s := &snapshot{conn: conn, begin: begin, tables: tables, left: tables}
	if _, err := s.ask(ctx, `BEGIN READ ONLY, ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '`+strings.ReplaceAll(name, "'", "''")+`'`); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *snapshot) ask(ctx context.Context, query string) ([][][]byte, error) {
	results, err := s.conn.Exec(ctx, query).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("logical: the tables cannot be copied: %w", err)
	}
	return results[len(results)-1].Rows, nil
}

// Tables returns the tables that are copied.
func (s *snapshot) Tables() []cdc.Table { return s.tables }

// End is where the slot begins, and which tables they are.
func (s *snapshot) End() cdc.Position { return cdc.Position(s.begin.String()) }

// Next reads some rows.
func (s *snapshot) Next(ctx context.Context) ([]cdc.Change, error) {
	for len(s.left) > 0 {
		table := &s.left[0]
		if !s.open {
			if _, err := s.ask(ctx, `DECLARE copying NO SCROLL CURSOR FOR SELECT `+list(table)+` FROM ONLY `+quoted(table.Name)); err != nil {
				return nil, err
			}
			s.open, s.read = true, 0
		}
		rows, err := s.ask(ctx, fmt.Sprintf(`FETCH %d FROM copying`, fetched))
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			if _, err := s.ask(ctx, `CLOSE copying`); err != nil {
				return nil, err
			}
			s.open, s.left = false, s.left[1:]
			continue
		}
		changes := make([]cdc.Change, 0, len(rows))
		for _, values := range rows {
			row := make(cdc.Row, len(values))
			for i, v := range values {
				row[i] = cdc.Value{Text: string(v), Null: v == nil}
			}
			s.read++
			changes = append(changes, cdc.Change{Op: cdc.Read, Table: table, New: row, ID: fmt.Sprintf("%s/%s/%d", s.begin.end, table.Name, s.read), After: s.End()})
		}
		return changes, nil
	}
	return nil, nil
}

// Close ends the transaction.
func (s *snapshot) Close() error {
	hangUp(s.conn)
	return nil
}

func list(t *cdc.Table) string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, quote(c.Name))
	}
	return strings.Join(names, ", ")
}

func quoted(table string) string {
	schema, bare, _ := strings.Cut(table, ".")
	return quote(schema) + "." + quote(bare)
}
