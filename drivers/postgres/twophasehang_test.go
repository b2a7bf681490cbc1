package postgres_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/twophase"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

// left is what a coordinator leaves behind that has moved a cent and dies before it tells so.
func (b banks) left(t *testing.T, id string) {
	t.Helper()
	self := dbtest.Value[string](t, b.ours, `SELECT name FROM muster_twophase_self`)
	conn, err := b.theirs.Conn(t.Context())
	dbtest.Succeed(t, err)
	dbtest.Execute(t, conn, `BEGIN`)
	dbtest.Execute(t, conn, `UPDATE account SET cents = cents + 1`)
	dbtest.Execute(t, conn, fmt.Sprintf(`PREPARE TRANSACTION 'muster:bank:%s:%s:theirs'`, self, id))
	dbtest.Succeed(t, conn.Close())
	dbtest.Execute(t, b.ours, `WITH own AS (UPDATE account SET cents = cents - 1) INSERT INTO muster_twophase (id, commits, branches, decided)
		VALUES ($1, 1, 'theirs', `+tx.Postgres.Now()+`)`, id)
}

// TestTwoPhaseRemembersWhatIsDecidedMeanwhile: what is prepared once a slow Settle has asked its participant is
// not forgotten by it, and so not rolled back by the next.
func TestTwoPhaseRemembersWhatIsDecidedMeanwhile(t *testing.T) {
	b := newBanks(t)
	slow := open(t, pgtest.Database(t))
	slow.SetMaxOpenConns(1)
	hold, err := slow.Conn(t.Context())
	dbtest.Succeed(t, err)
	c := b.coordinator(time.Nanosecond)
	c.Participants["zealous"] = slow // is asked after theirs
	settled := make(chan error, 1)
	go func() {
		_, err := c.Settle(context.WithoutCancel(t.Context()))
		settled <- err
	}()
	dbtest.Eventually(t, "theirs to be asked", func() bool { return slow.Stats().WaitCount == 1 })
	b.left(t, "meanwhile")
	dbtest.Eventually(t, "it to be long ago", func() bool {
		return dbtest.Value[bool](t, b.ours, `SELECT `+tx.Postgres.Now()+` - decided > 10 FROM muster_twophase`)
	})
	dbtest.Succeed(t, hold.Close())
	dbtest.Succeed(t, <-settled)
	done, err := c.Settle(t.Context())
	dbtest.Succeed(t, err)
	dbtest.Want(t, "ended", done, twophase.Ended{Committed: 1})
	dbtest.Want(t, "moved", b.moved(t), 1)
}

// TestTwoPhaseOneHangs: a participant that has prepared and then says nothing more, not even that it is gone,
// holds neither the others nor who asked for the operation, nor Settle.
func TestTwoPhaseOneHangs(t *testing.T) {
	t.Parallel() // it waits most of the time
	b := newBanks(t)
	var deaf atomic.Bool
	url := pgtest.Database(t)
	hangs := deafen(t, url, &deaf)
	participants := map[string]*sql.DB{"hangs": hangs}
	maps.Copy(participants, b.coordinator(0).Participants)
	c := &twophase.Coordinator{DB: b.ours, Name: "bank", Participants: participants, Patience: time.Nanosecond}
	ctx, cancel := context.WithTimeout(t.Context(), dbtest.Patience)
	defer cancel()
	dbtest.Succeed(t, c.Do(ctx, func(ctx context.Context, own tx.Tx, at twophase.Branches) error {
		for _, name := range slices.Sorted(maps.Keys(participants)) {
			there, err := at.On(ctx, name)
			dbtest.Succeed(t, err)
			dbtest.Execute(t, there.(*sql.Tx), `CREATE TABLE came (n int)`)
		}
		return nil
	}))
	dbtest.Want(t, "deaf", deaf.Load(), true)
	dbtest.Want(t, "prepared at who is well", b.prepared(t), 0)
	dbtest.Want(t, "records", dbtest.Value[int](t, b.ours, `SELECT count(*) FROM muster_twophase`), 1)
	b.left(t, "before")
	done, err := c.Settle(ctx)
	if err == nil || ctx.Err() != nil {
		t.Error("who hangs was asked:", err)
	}
	dbtest.Want(t, "ended", done, twophase.Ended{Committed: 1})
	c.Participants["hangs"] = open(t, url) // it is back
	done, err = c.Settle(t.Context())
	dbtest.Succeed(t, err)
	dbtest.Want(t, "ended", done, twophase.Ended{Committed: 1})
}

// TestTwoPhasePanics: a function that panics leaves no transaction behind.
func TestTwoPhasePanics(t *testing.T) {
	b := newBanks(t)
	func() {
		defer func() { dbtest.Want(t, "panic", recover(), any("no")) }()
		_ = move(b.coordinator(0), func() { panic("no") })
	}()
	dbtest.Eventually(t, "its transaction to end", func() bool { return b.theirs.Stats().InUse == 0 })
	dbtest.Want(t, "moved", b.moved(t), 0)
}

// deafConn loses all that is written once it has heard that something is to be prepared.
type deafConn struct {
	net.Conn
	deaf *atomic.Bool
}

func (c deafConn) Write(p []byte) (int, error) {
	if c.deaf.Load() {
		return len(p), nil
	}
	n, err := c.Conn.Write(p)
	c.deaf.Store(bytes.Contains(p, []byte("PREPARE TRANSACTION")))
	return n, err
}

func deafen(t *testing.T, url string, deaf *atomic.Bool) *sql.DB {
	config, err := pgx.ParseConfig(url)
	dbtest.Succeed(t, err)
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // one write a statement
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return deafConn{conn, deaf}, err
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() }) // it hears nothing
	return db
}
