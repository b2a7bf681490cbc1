package logical

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/musterdev/muster/data/cdc"
)

// changes is a slot of tables being read.
type changes struct {
	*feed

	db     *sql.DB
	place  place // where it is
	known  place // where it began: what is before was had already
	inside bool  // a transaction
	at     time.Time
	still  func(context.Context) error // that the tables are the same
	looked time.Time                   // when that was seen
	wanted []string
	tables map[uint32]*cdc.Table // by the server's numbers, as they are in the log here
	types  map[[2]int64]string   // names of types with their modifiers
}

// looksEvery is how often the tables are looked at.
const looksEvery = 2 * time.Second

// Next returns what is there.
func (c *changes) Next(ctx context.Context, wait time.Duration, most int) (batch []cdc.Change, end cdc.Position, err error) {
	if time.Since(c.looked) > looksEvery {
		if err := c.still(ctx); err != nil {
			return nil, "", err
		}
		c.looked = time.Now()
	}
	err = c.collect(ctx, wait, func(e event) (some, part, full bool, err error) {
		more, err := c.take(ctx, e)
		batch = append(batch, more...)
		return len(batch) > 0, c.inside, len(batch) >= most, err
	})
	if err != nil {
		return nil, "", err
	}
	return batch, cdc.Position(c.place.String()), nil
}

// Confirm lets the server forget.
func (c *changes) Confirm(p cdc.Position) {
	if at, err := parsePlace(string(p)); err == nil && uint64(at.end) > c.confirmed.Load() {
		c.confirmed.Store(uint64(at.end))
	}
}

// Close ends the reading.
func (c *changes) Close() error {
	c.close()
	return c.db.Close()
}

// take makes changes of one event.
func (c *changes) take(ctx context.Context, e event) ([]cdc.Change, error) {
	switch msg := e.msg.(type) {
	case nil:
		if !c.inside && e.at > c.place.end {
			c.place = place{end: e.at, tables: c.place.tables}
		}
	case *pglogrepl.BeginMessage:
		c.inside, c.at = true, msg.CommitTime
		c.place.commit, c.place.done = msg.FinalLSN, 0
	case *pglogrepl.CommitMessage:
		c.inside = false
		if msg.TransactionEndLSN > c.place.end {
			c.place = place{end: msg.TransactionEndLSN, tables: c.place.tables}
		}
	case *pglogrepl.RelationMessage:
		return c.relation(ctx, msg)
	case *pglogrepl.InsertMessage:
		return c.change(msg.RelationID, cdc.Insert, nil, msg.Tuple, 0)
	case *pglogrepl.UpdateMessage:
		return c.change(msg.RelationID, cdc.Update, msg.OldTuple, msg.NewTuple, msg.OldTupleType)
	case *pglogrepl.DeleteMessage:
		return c.change(msg.RelationID, cdc.Delete, msg.OldTuple, nil, msg.OldTupleType)
	case *pglogrepl.TruncateMessage:
		var all []cdc.Change
		for _, id := range msg.RelationIDs {
			one, err := c.change(id, cdc.Truncate, nil, nil, 0)
			if err != nil {
				return nil, err
			}
			all = append(all, one...)
		}
		return all, nil
	}
	return nil, nil
}

// relation tells what a table looks like from here on.
func (c *changes) relation(ctx context.Context, msg *pglogrepl.RelationMessage) ([]cdc.Change, error) {
	table := &cdc.Table{Name: msg.Namespace + "." + msg.RelationName}
	for _, column := range msg.Columns {
		key := [2]int64{int64(column.DataType), int64(column.TypeModifier)}
		name, known := c.types[key]
		if !known {
			if err := c.db.QueryRowContext(ctx, `SELECT format_type($1, $2)`, key[0], key[1]).Scan(&name); err != nil {
				return nil, fmt.Errorf("logical: %w", err)
			}
			c.types[key] = name
		}
		table.Columns = append(table.Columns, cdc.Column{Name: column.Name, Type: name, Key: column.Flags&1 != 0})
	}
	c.tables[msg.RelationID] = table
	if !slices.Contains(c.wanted, table.Name) {
		return nil, nil
	}
	return []cdc.Change{{Op: cdc.Reshape, Table: table, Committed: c.at, ID: c.id(), After: cdc.Position(c.place.String())}}, nil
}

func (c *changes) id() string { return fmt.Sprintf("%s/%d", c.place.commit, c.place.done) }

// change makes one change of tuples.
func (c *changes) change(relation uint32, op cdc.Op, old, now *pglogrepl.TupleData, whose uint8) ([]cdc.Change, error) {
	table := c.tables[relation]
	if table == nil {
		return nil, fmt.Errorf("logical: the server told a change of the table %d and not what it looks like", relation)
	}
	c.place.done++
	if c.place.commit == c.known.commit && c.place.done <= c.known.done || !slices.Contains(c.wanted, table.Name) {
		return nil, nil
	}
	ch := cdc.Change{Op: op, Table: table, Committed: c.at, ID: c.id(), After: cdc.Position(c.place.String())}
	var err error
	if now != nil {
		if ch.New, err = rowOf(table, now); err != nil {
			return nil, err
		}
	}
	if old != nil && whose != pglogrepl.UpdateMessageTupleTypeNone {
		if ch.Old, err = rowOf(table, old); err != nil {
			return nil, err
		}
	}
	return []cdc.Change{ch}, nil
}

func rowOf(table *cdc.Table, tuple *pglogrepl.TupleData) (cdc.Row, error) {
	if len(tuple.Columns) != len(table.Columns) {
		return nil, fmt.Errorf("logical: the server told %d values of %s, which has %d columns", len(tuple.Columns), table.Name, len(table.Columns))
	}
	row := make(cdc.Row, len(tuple.Columns))
	for i, v := range tuple.Columns {
		row[i] = cdc.Value{Text: string(v.Data), Null: v.DataType == pglogrepl.TupleDataTypeNull, Unchanged: v.DataType == pglogrepl.TupleDataTypeToast}
	}
	return row, nil
}
