package postgres_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/twophase"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

// BenchmarkTwoPhase is what an operation over two databases costs beside two commits that know
// nothing of each other, on a server whose commits are synced.
func BenchmarkTwoPhase(b *testing.B) {
	server, err := pgtest.Durable()
	if err != nil {
		b.Skip(err)
	}
	defer server.Stop()
	var pools []*sql.DB
	for _, name := range []string{"ours", "theirs"} {
		root, err := postgres.Driver.Open(context.Background(), server.URL("postgres"))
		dbtest.Succeed(b, err)
		dbtest.Execute(b, root, `CREATE DATABASE `+name)
		dbtest.Succeed(b, root.Close())
		db, err := postgres.Driver.Open(context.Background(), server.URL(name))
		dbtest.Succeed(b, err)
		defer db.Close()
		dbtest.Execute(b, db, `CREATE TABLE account (cents bigint NOT NULL)`)
		dbtest.Execute(b, db, `INSERT INTO account VALUES (1000)`)
		pools = append(pools, db)
	}
	both := banks{ours: pools[0], theirs: pools[1]}
	dbtest.Succeed(b, twophase.Migrate(context.Background(), both.ours))
	c := both.coordinator(0)
	b.Run("prepared", func(b *testing.B) {
		for b.Loop() {
			dbtest.Succeed(b, move(c))
		}
	})
	b.Run("two commits", func(b *testing.B) {
		for b.Loop() {
			dbtest.Execute(b, both.ours, `UPDATE account SET cents = cents - 1`)
			dbtest.Execute(b, both.theirs, `UPDATE account SET cents = cents + 1`)
		}
	})
}
