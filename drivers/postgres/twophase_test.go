package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/twophase"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
	"github.com/musterdev/muster/problem"
)

// banks are two databases, each with an account, and the URLs they are at.
type banks struct {
	ours, theirs       *sql.DB
	oursURL, theirsURL string
}

func newBanks(t *testing.T) banks {
	b := banks{oursURL: pgtest.Database(t), theirsURL: pgtest.Database(t)}
	b.ours, b.theirs = open(t, b.oursURL), open(t, b.theirsURL)
	dbtest.Succeed(t, twophase.Migrate(t.Context(), b.ours))
	for _, db := range []*sql.DB{b.ours, b.theirs} {
		dbtest.Execute(t, db, `CREATE TABLE account (cents bigint NOT NULL)`)
		dbtest.Execute(t, db, `INSERT INTO account VALUES (1000)`)
	}
	return b
}

func (b banks) coordinator(patience time.Duration) *twophase.Coordinator {
	return &twophase.Coordinator{DB: b.ours, Name: "bank", Participants: map[string]*sql.DB{"theirs": b.theirs}, Patience: patience}
}

// move is the operation: a cent leaves one database and comes to the other.
func move(c *twophase.Coordinator, at ...func()) error {
	return c.Do(context.Background(), func(ctx context.Context, own tx.Tx, b twophase.Branches) error {
		_, err := own.ExecContext(ctx, `UPDATE account SET cents = cents - 1`)
		there, e := b.On(ctx, "theirs")
		if err = errors.Join(err, e); err != nil {
			return err
		}
		_, err = there.ExecContext(ctx, `UPDATE account SET cents = cents + 1`)
		for _, fn := range at {
			fn()
		}
		return err
	})
}

// moved returns how many cents have left, and fails where they did not come.
func (b banks) moved(t *testing.T) int64 {
	t.Helper()
	left := 1000 - dbtest.Value[int64](t, b.ours, `SELECT cents FROM account`)
	dbtest.Want(t, "came", dbtest.Value[int64](t, b.theirs, `SELECT cents FROM account`)-1000, left)
	return left
}

func (b banks) prepared(t *testing.T) int {
	t.Helper()
	return dbtest.Value[int](t, b.theirs, `SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()`)
}

func TestTwoPhaseCommitsOrNot(t *testing.T) {
	b := newBanks(t)
	c := b.coordinator(0)
	dbtest.Succeed(t, move(c))
	dbtest.Want(t, "moved", b.moved(t), 1)
	dbtest.Want(t, "records", dbtest.Value[int](t, b.ours, `SELECT count(*) FROM muster_twophase`), 0)
	no := errors.New("no")
	err := c.Do(t.Context(), func(ctx context.Context, own tx.Tx, at twophase.Branches) error {
		there, err := at.On(ctx, "theirs")
		dbtest.Succeed(t, err)
		again, err := at.On(ctx, "theirs")
		dbtest.Succeed(t, err)
		dbtest.Want(t, "the same transaction", again, there)
		dbtest.Execute(t, own.(*sql.Tx), `UPDATE account SET cents = 0`)
		dbtest.Execute(t, there.(*sql.Tx), `UPDATE account SET cents = 0`)
		return no
	})
	dbtest.Want(t, "error", err, no)
	// what PostgreSQL cannot prepare
	err = move(c, func() {}, func() {})
	dbtest.Succeed(t, err)
	err = c.Do(t.Context(), func(ctx context.Context, own tx.Tx, at twophase.Branches) error {
		there, err := at.On(ctx, "theirs")
		dbtest.Succeed(t, err)
		dbtest.Execute(t, own.(*sql.Tx), `UPDATE account SET cents = 0`)
		dbtest.Execute(t, there.(*sql.Tx), `CREATE TEMPORARY TABLE here (n int)`)
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "the participant theirs could not prepare") {
		t.Error(err)
	}
	dbtest.Want(t, "moved", b.moved(t), 2)
	dbtest.Want(t, "prepared", b.prepared(t), 0)
}

// scissors cut all connections that were dialed through them, at the nth write of any.
type scissors struct {
	at     int64 // 0: never
	after  bool  // the write arrives, its answer does not
	writes atomic.Int64
	cut    atomic.Bool

	mu    sync.Mutex
	conns []net.Conn
}

func (s *scissors) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

type cutConn struct {
	net.Conn
	by *scissors
}

var errCut = errors.New("the process is dead")

func (c cutConn) Write(p []byte) (int, error) {
	if c.by.cut.Load() {
		return 0, errCut
	}
	if c.by.writes.Add(1) != c.by.at {
		return c.Conn.Write(p)
	}
	c.by.cut.Store(true)
	if c.by.after {
		_, _ = c.Conn.Write(p)
	}
	c.by.closeAll()
	return 0, errCut
}

func (c cutConn) Read(p []byte) (int, error) {
	if c.by.cut.Load() {
		return 0, errCut
	}
	return c.Conn.Read(p)
}

func (s *scissors) open(t *testing.T, url string) *sql.DB {
	config, err := pgx.ParseConfig(url)
	dbtest.Succeed(t, err)
	config.RuntimeParams["application_name"] = "scissors"
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if s.cut.Load() {
			return nil, errCut
		}
		conn, err := dial(ctx, network, addr)
		if err == nil {
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
		}
		return cutConn{conn, s}, err
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() }) // it may be cut
	return db
}

// TestTwoPhaseIsCutEverywhere: a coordinator that dies before or after any write to any of its connections leaves
// an operation that ends everywhere or nowhere, once Run has looked.
func TestTwoPhaseIsCutEverywhere(t *testing.T) {
	b := newBanks(t)
	told, points := 0, 0
	for _, after := range []bool{false, true} {
		for at := int64(1); ; at++ {
			s := &scissors{at: at, after: after}
			dead := banks{ours: s.open(t, b.oursURL), theirs: s.open(t, b.theirsURL)}
			before := b.moved(t)
			err := move(dead.coordinator(0))
			if !s.cut.Load() {
				dbtest.Succeed(t, err)
				_, _ = dead.ours.Close(), dead.theirs.Close() // saying goodbye is the write that is cut
				break                                         // there are no more
			}
			points++
			for _, db := range []*sql.DB{b.ours, b.theirs} { // a statement may have been on its way
				dbtest.Eventually(t, "the server to see that the process is dead", func() bool {
					return dbtest.Value[int](t, db, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'scissors'`) == 0
				})
			}
			_, e := b.coordinator(time.Nanosecond).Settle(t.Context())
			dbtest.Succeed(t, e)
			dbtest.Want(t, "prepared", b.prepared(t), 0)
			if gone := b.moved(t) - before; err == nil {
				told++
				dbtest.Want(t, fmt.Sprint("moved, told that it is, cut at ", at), gone, 1)
			}
		}
	}
	t.Logf("cut at %d points; at %d of them the caller was told that it is committed", points, told)
	if points < 20 || told == 0 {
		t.Errorf("%d points, told at %d: too few to show anything", points, told)
	}
	dbtest.Want(t, "records that it is committed", dbtest.Value[int](t, b.ours, `SELECT count(*) FROM muster_twophase WHERE commits = 1`), 0)
}

// TestTwoPhaseFence: what Run has rolled back a coordinator that was only slow cannot commit.
func TestTwoPhaseFence(t *testing.T) {
	b := newBanks(t)
	const gate = 42 // an advisory lock that the decision waits for, with all prepared
	dbtest.Execute(t, b.ours, `CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END$$`)
	dbtest.Execute(t, b.ours, `CREATE TRIGGER hang BEFORE INSERT ON muster_twophase FOR EACH ROW WHEN (NEW.commits = 1) EXECUTE FUNCTION hang()`)
	hold, err := b.ours.Conn(t.Context())
	dbtest.Succeed(t, err)
	dbtest.Execute(t, hold, `SELECT pg_advisory_lock($1)`, gate)
	slow := make(chan error, 1)
	go func() { slow <- move(b.coordinator(time.Hour)) }()
	dbtest.Eventually(t, "it to be prepared", func() bool { return b.prepared(t) == 1 })
	done, err := b.coordinator(time.Hour).Settle(t.Context())
	dbtest.Succeed(t, err)
	dbtest.Want(t, "ended of what is young", done, twophase.Ended{})
	done, err = b.coordinator(time.Nanosecond).Settle(t.Context())
	dbtest.Succeed(t, err)
	dbtest.Want(t, "ended", done, twophase.Ended{RolledBack: 1})
	dbtest.Execute(t, hold, `SELECT pg_advisory_unlock($1)`, gate)
	if err := <-slow; problem.CodeOf(err) != problem.Conflict {
		t.Error("what was rolled back is committed:", err)
	}
	dbtest.Want(t, "moved", b.moved(t), 0)
	dbtest.Succeed(t, hold.Close())
}

func TestTwoPhaseLeavesOthersAlone(t *testing.T) {
	b := newBanks(t)
	conn, err := b.theirs.Conn(t.Context())
	dbtest.Succeed(t, err)
	for i, gid := range []string{"somebody's", "muster:bank:other:1:theirs"} {
		dbtest.Execute(t, conn, `BEGIN`)
		dbtest.Execute(t, conn, fmt.Sprintf(`CREATE TABLE other%d (n int)`, i))
		dbtest.Execute(t, conn, `PREPARE TRANSACTION '`+strings.ReplaceAll(gid, "'", "''")+`'`)
	}
	dbtest.Succeed(t, conn.Close())
	t.Cleanup(func() {
		for _, gid := range []string{"somebody''s", "muster:bank:other:1:theirs"} {
			_, _ = b.theirs.ExecContext(context.Background(), `ROLLBACK PREPARED '`+gid+`'`) // else the database cannot be dropped
		}
	})
	c := b.coordinator(time.Nanosecond)
	done, err := c.Settle(t.Context())
	dbtest.Succeed(t, err)
	dbtest.Want(t, "ended", done, twophase.Ended{})
	w := httptest.NewRecorder()
	twophase.Handler(c).ServeHTTP(w, httptest.NewRequest("GET", "/.muster/twophase", nil))
	var answer struct{ Prepared []twophase.Prepared }
	dbtest.Succeed(t, json.Unmarshal(w.Body.Bytes(), &answer))
	if len(answer.Prepared) != 2 || answer.Prepared[0].Ours || answer.Prepared[0].GID != "somebody's" || answer.Prepared[1].Ours {
		t.Errorf("%s", w.Body)
	}
	w = httptest.NewRecorder()
	twophase.Handler(c).ServeHTTP(w, httptest.NewRequest("POST", "/.muster/twophase", nil))
	dbtest.Want(t, "status", w.Code, 404)
	b.left(t, "mine")
	all, err := c.List(t.Context())
	dbtest.Succeed(t, err)
	if len(all) != 3 || !all[0].Ours { // however many others there are, Settle sees it
		t.Errorf("ours is not the first: %+v", all)
	}
	_, err = c.Settle(t.Context())
	dbtest.Succeed(t, err)
}

func TestTwoPhaseTogether(t *testing.T) {
	b := newBanks(t)
	replicas := []*twophase.Coordinator{b.coordinator(0), b.coordinator(0)}
	var ok atomic.Int64
	dbtest.Together(16, func(i int) {
		for range 5 {
			if move(replicas[i%2]) == nil {
				ok.Add(1)
			}
		}
	})
	dbtest.Want(t, "moved", b.moved(t), ok.Load())
	if ok.Load() < 60 {
		t.Error("only", ok.Load(), "of 80")
	}
	dbtest.Want(t, "prepared", b.prepared(t), 0)
}

type coded struct{ error }

func (coded) SQLState() string { return "55000" }

type pgFake struct{ dbtest.Fake }

func (pgFake) Dialect() string { return "postgres" }

func TestTwoPhaseWhatCannotBe(t *testing.T) {
	b := newBanks(t)
	none := sql.OpenDB(fakeConnector{pgFake{func(s string) ([]driver.Value, error) {
		switch {
		case strings.HasPrefix(s, "PREPARE"):
			return nil, coded{errors.New("prepared transactions are disabled")}
		case strings.Contains(s, "pg_settings"):
			return []driver.Value{int64(0)}, nil
		}
		return []driver.Value{int64(1)}, nil
	}}})
	t.Cleanup(func() { _ = none.Close() }) // nothing of it can fail
	lite := dbtest.Fake(func(string) ([]driver.Value, error) { return nil, nil }).Pool(t)
	bare := open(t, pgtest.Database(t))
	with := func(change func(c *twophase.Coordinator)) *twophase.Coordinator {
		c := b.coordinator(0)
		change(c)
		return c
	}
	for name, c := range map[string]struct {
		try  func() error
		want string
	}{
		"no database":        {func() error { return move(with(func(c *twophase.Coordinator) { c.DB = nil })) }, "the coordinator's database is nil"},
		"no tables":          {func() error { return move(with(func(c *twophase.Coordinator) { c.DB = bare })) }, "call twophase.Migrate before"},
		"a bad name":         {func() error { return move(with(func(c *twophase.Coordinator) { c.Name = "A:b" })) }, `"A:b": it takes 1 to 50 of a-z`},
		"no such":            {func() error { return move(with(func(c *twophase.Coordinator) { c.Participants = nil })) }, `there is no participant "theirs"`},
		"one is nil":         {func() error { return move(with(func(c *twophase.Coordinator) { c.Participants["theirs"] = nil })) }, "the participant theirs has no database"},
		"another engine":     {func() error { return move(with(func(c *twophase.Coordinator) { c.Participants["theirs"] = lite })) }, "the participant theirs is sqlite"},
		"another engine too": {func() error { return twophase.Migrate(t.Context(), lite) }, "is sqlite"},
		"it prepares nothing": {
			func() error { return move(with(func(c *twophase.Coordinator) { c.Participants["theirs"] = none })) },
			"the participant theirs prepares nothing: set max_prepared_transactions there",
		},
		"Run sees that": {func() error {
			return with(func(c *twophase.Coordinator) { c.Participants["theirs"] = none }).Run(t.Context())
		}, "set max_prepared_transactions there"},
	} {
		if err := c.try(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

type fakeConnector struct{ pgFake }

func (f fakeConnector) Connect(ctx context.Context) (driver.Conn, error) { return f.Fake.Connect(ctx) }
func (f fakeConnector) Driver() driver.Driver                            { return f }
