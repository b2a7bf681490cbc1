package crash_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/crash"
)

// engine is a driver that writes down what reaches it.
type engine struct {
	mu  sync.Mutex
	log []string
}

func (e *engine) note(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log = append(e.log, what)
}

func (e *engine) Open(string) (driver.Conn, error)             { return nil, errors.New("by Connect") }
func (e *engine) Connect(context.Context) (driver.Conn, error) { return &connection{e}, nil }
func (e *engine) Driver() driver.Driver                        { return e }

type connection struct{ *engine }

func (c *connection) Begin() (driver.Tx, error) { c.note("begin"); return c, nil }
func (c *connection) Commit() error             { c.note("commit"); return nil }
func (c *connection) Rollback() error           { c.note("rollback"); return nil }
func (c *connection) Close() error              { c.note("close"); return nil }
func (c *connection) Prepare(query string) (driver.Stmt, error) {
	return &prepared{c, query}, nil
}

type prepared struct {
	*connection
	query string
}

func (p *prepared) NumInput() int { return -1 }
func (p *prepared) Close() error  { return nil }
func (p *prepared) Exec([]driver.Value) (driver.Result, error) {
	p.note(p.query)
	return driver.RowsAffected(1), nil
}

func (p *prepared) Query([]driver.Value) (driver.Rows, error) {
	p.note(p.query)
	return nothing{}, nil
}

type nothing struct{}

func (nothing) Columns() []string         { return []string{"x"} }
func (nothing) Close() error              { return nil }
func (nothing) Next([]driver.Value) error { return io.EOF }

// work is a transaction with two statements.
func work(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err = tx.ExecContext(ctx, "UPDATE orders SET state = $1", "x"); err == nil {
		var rows *sql.Rows
		if rows, err = tx.QueryContext(ctx, "SELECT x FROM stock"); err == nil {
			defer rows.Close()
			for rows.Next() {
			}
			err = rows.Err()
		}
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// The engine below sees, whatever the point, whole transactions or ones that are rolled
// back, and nothing after the crash.
func TestAtEveryPointOfATransaction(t *testing.T) {
	recorded := func() []string {
		p, e := crash.New(nil), &engine{}
		db := sql.OpenDB(p.Connector(e))
		defer db.Close()
		p.Record()
		if err := work(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		return names(p)
	}()
	want := []string{"statement BEGIN #1", "statement UPDATE orders #1", "statement SELECT stock #1", "commit #1"}
	if !slices.Equal(recorded, want) {
		t.Fatalf("recorded %q, want %q", recorded, want)
	}
	for i, at := range recorded {
		for _, side := range []crash.Side{crash.Before, crash.After} {
			p, e := crash.New(nil), &engine{}
			db := sql.OpenDB(p.Connector(e))
			if err := p.Arm(crash.Point{At: at, Side: side}); err != nil {
				t.Fatal(err)
			}
			if err := work(t.Context(), db); !errors.Is(err, crash.ErrCut) {
				t.Errorf("%s %s: %v", side, at, err)
			}
			if err := work(t.Context(), db); !errors.Is(err, crash.ErrCut) {
				t.Errorf("%s %s, once more: %v", side, at, err)
			}
			db.Close()
			reached := i
			if side == crash.After {
				reached++
			}
			want := slices.Clone([]string{"begin", "UPDATE orders SET state = $1", "SELECT x FROM stock", "commit"}[:reached])
			if reached > 0 && reached < 4 {
				want = append(want, "rollback")
			}
			want = append(want, "close")
			if !slices.Equal(e.log, want) {
				t.Errorf("%s %s: the engine saw %q, want %q", side, at, e.log, want)
			}
		}
	}
}

// locking is a connection with what only SQLite's has.
type locking struct{ *connection }

func (locking) KeepWriteLock(context.Context) (func(), error) { return func() {}, nil }

type lockingEngine struct{ *engine }

func (e lockingEngine) Connect(context.Context) (driver.Conn, error) {
	return locking{&connection{e.engine}}, nil
}

func TestWhatAConnectionCanDoStays(t *testing.T) {
	for name, c := range map[string]driver.Connector{"plain": &engine{}, "locking": lockingEngine{&engine{}}} {
		conn, err := crash.New(nil).Connector(c).Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := conn.(interface {
			KeepWriteLock(ctx context.Context) (func(), error)
		}); ok != (name == "locking") {
			t.Errorf("%s: KeepWriteLock is there: %t", name, ok)
		}
		if in, ok := conn.(interface{ Unwrap() driver.Conn }); !ok || in.Unwrap() == conn {
			t.Errorf("%s: it cannot be unwrapped", name)
		}
	}
}

func TestWritesToANetwork(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := crash.New(nil)
	listener = served.Listener(listener, "answer")
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	called := crash.New(nil)
	dial := called.Dial("call", (&net.Dialer{}).DialContext)
	c, err := dial(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	called.Record()
	echo := func(text string) error {
		if _, err := io.WriteString(c, text); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, len(text)))
		return err
	}
	if err := errors.Join(echo("one"), echo("two")); err != nil {
		t.Fatal(err)
	}
	if got := names(called); !slices.Equal(got, []string{"write call #1", "write call #2"}) {
		t.Errorf("%q", got)
	}
	if err := served.Arm(crash.Point{At: "write answer #1", Side: crash.Before}); err != nil {
		t.Fatal(err)
	}
	if err := echo("three"); err == nil {
		t.Error("the dead answered")
	}
	if _, err := dial(t.Context(), "tcp", listener.Addr().String()); err == nil {
		t.Error("the dead is listening")
	}
	called.Cut()
	if _, err := dial(t.Context(), "tcp", listener.Addr().String()); !errors.Is(err, crash.ErrCut) {
		t.Errorf("the other dead dials: %v", err)
	}
}

func TestWritesToABroker(t *testing.T) {
	b := memory.New()
	msg := bus.Msg{ID: "1", Source: "/test", Topic: "things.done", ContentType: "application/json", Data: []byte("1")}
	for _, side := range []crash.Side{crash.Before, crash.After} {
		msg.ID = string(side)
		p := crash.New(nil)
		through := p.Broker(b.Connect())
		if err := p.Arm(crash.Point{At: "write broker #1", Side: side}); err != nil {
			t.Fatal(err)
		}
		if err := through.Publish(t.Context(), []bus.Msg{msg})[0].Err; !errors.Is(err, crash.ErrCut) {
			t.Errorf("%s: %v", side, err)
		}
	}
	s, err := b.Connect().Subscribe(t.Context(), bus.Subscription{Group: "g", Topics: []string{"things.done"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Receive(t.Context(), 10)
	if err != nil || len(got) != 1 || got[0].ID != "after" {
		t.Errorf("stored is %v, %v; want that of the crash after it", got, err)
	}
}
