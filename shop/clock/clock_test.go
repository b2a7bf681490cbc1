package clock_test

import (
	"context"
	"database/sql"
	"testing"
	"testing/fstest"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/shop/clock"
	"github.com/musterdev/muster/shop/internal/engines"
)

func TestNowAndMilliseconds(t *testing.T) {
	files := fstest.MapFS{"00001_moment.sql": {Data: []byte("-- +goose Up\nCREATE TABLE moment (at BIGINT);\n")}}
	engines.Each(t, files, func(t *testing.T, open func() *sql.DB) {
		db := open()
		// Both clocks are this machine's; the database's may be behind, and is never ahead.
		for _, read := range []func() (time.Time, error){
			func() (time.Time, error) { return clock.Now(t.Context(), db) },
			func() (now time.Time, err error) {
				err = tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
					now, err = clock.Now(ctx, tx)
					return err
				})
				return now, err
			},
		} {
			before := time.Now()
			now, err := read()
			if late := before.Sub(now); err != nil || late > 1100*time.Millisecond || now.After(time.Now()) {
				t.Errorf("the database's time is %s, %v: behind by %s", now, err, late)
			}
		}
		want := time.UnixMilli(1_700_000_000_123).UTC()
		if _, err := db.ExecContext(t.Context(), `INSERT INTO moment VALUES ($1)`, want.UnixMilli()); err != nil {
			t.Fatal(err)
		}
		var got time.Time
		if err := db.QueryRowContext(t.Context(), `SELECT at FROM moment`).Scan(clock.Milliseconds(&got)); err != nil || got != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
		if err := db.QueryRowContext(t.Context(), `SELECT 'noon'`).Scan(clock.Milliseconds(&got)); err == nil {
			t.Error("a text was read as a time")
		}
	})
}
