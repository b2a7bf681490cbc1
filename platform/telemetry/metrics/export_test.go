package metrics

import (
	"context"

	"github.com/prometheus/prometheus/tsdb"
)

// Maintain does at once what Run does every minute.
func Maintain(db *DB) error { return db.maintain(context.Background()) }

// TSDB returns what a DB is made of.
func TSDB(db *DB) *tsdb.DB { return db.tsdb }
