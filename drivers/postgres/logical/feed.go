package logical

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	statusEvery = time.Second // how often the server hears from a reader; it gives up after wal_sender_timeout, a minute
	readAhead   = 256         // decoded messages that wait to be handled
	closeWithin = 2 * time.Second
)

// feed is a slot being read.
type feed struct {
	events    chan event
	confirmed atomic.Uint64 // an LSN: nothing before is needed again
	cancel    context.CancelFunc
	done      chan struct{}
	err       error // why it ended; to be read after done
}

// event is one message of the log, or only a place up to which there was none.
type event struct {
	msg pglogrepl.Message
	at  pglogrepl.LSN
}

// connect opens a connection that speaks replication.
func connect(ctx context.Context, url string) (*pgconn.PgConn, error) {
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the URL of the database cannot be read: write postgres://USER:PASSWORD@HOST:PORT/DATABASE") // it may hold a password
	}
	delete(cfg.RuntimeParams, "pool_max_conns")
	maps.Copy(cfg.RuntimeParams, asTexts())
	cfg.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("cannot connect for replication: %w", err)
	}
	return conn, nil
}

// start reads a slot from a place on; it ends with ctx, with the connection or by close.
func start(ctx context.Context, url, slot string, from pglogrepl.LSN, args ...string) (*feed, error) {
	conn, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	err = pglogrepl.StartReplication(ctx, conn, slot, from, pglogrepl.StartReplicationOptions{Mode: pglogrepl.LogicalReplication, PluginArgs: args})
	if err != nil {
		hangUp(conn)
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &feed{events: make(chan event, readAhead), cancel: cancel, done: make(chan struct{})}
	f.confirmed.Store(uint64(from))
	go func() {
		defer close(f.done)
		f.err = f.receive(ctx, conn)
		if ctx.Err() != nil { // it was told to end
			f.err = f.tell(ctx, conn)
		}
		hangUp(conn)
	}()
	return f, nil
}

func hangUp(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	_ = conn.Close(ctx) // nothing is left to be said
}

// receive hands on what comes, and tells the server from time to time how far it is.
func (f *feed) receive(ctx context.Context, conn *pgconn.PgConn) error {
	for next := time.Now(); ; {
		if !time.Now().Before(next) {
			if err := f.tell(ctx, conn); err != nil {
				return err
			}
			next = time.Now().Add(statusEvery)
		}
		bounded, cancel := context.WithDeadline(ctx, next)
		raw, err := conn.ReceiveMessage(bounded)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case pgconn.Timeout(err):
			continue
		case err != nil:
			return err
		}
		var e event
		switch raw := raw.(type) {
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(raw)
		case *pgproto3.CopyDone:
			return errors.New("the server has ended the replication")
		case *pgproto3.CopyData:
			if e, err = decode(raw.Data); err != nil {
				return err
			}
			if e.msg == nil && e.at == 0 {
				continue
			}
		default:
			continue // notices
		}
		if err := f.hand(ctx, conn, e); err != nil {
			return err
		}
	}
}

// hand waits until there is room for an event, and lets the server know of us meanwhile.
func (f *feed) hand(ctx context.Context, conn *pgconn.PgConn, e event) error {
	select {
	case f.events <- e:
		return nil
	default:
	}
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case f.events <- e:
			return nil
		case <-tick.C:
			if err := f.tell(ctx, conn); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *feed) tell(ctx context.Context, conn *pgconn.PgConn) error {
	return pglogrepl.SendStandbyStatusUpdate(ctx, conn, pglogrepl.StandbyStatusUpdate{WALWritePosition: pglogrepl.LSN(f.confirmed.Load())})
}

// decode reads one message of the replication protocol; the bytes are used again.
func decode(data []byte) (event, error) {
	if len(data) == 0 {
		return event{}, errors.New("the server sent an empty message")
	}
	switch data[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		k, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		return event{at: k.ServerWALEnd}, err
	case pglogrepl.XLogDataByteID:
		x, err := pglogrepl.ParseXLogData(data[1:])
		if err != nil || len(x.WALData) == 0 {
			return event{}, err
		}
		m, err := pglogrepl.Parse(slices.Clone(x.WALData))
		return event{msg: m}, err
	default:
		return event{}, nil
	}
}

// next returns one event; ok is false when wait is over before there is one. A wait of 0 takes only
// what is there.
func (f *feed) next(ctx context.Context, wait <-chan time.Time) (e event, ok bool, err error) {
	select {
	case e = <-f.events:
		return e, true, nil
	default:
	}
	if wait == nil {
		return e, false, nil
	}
	select {
	case e = <-f.events:
		return e, true, nil
	case <-wait:
		return e, false, nil
	case <-ctx.Done():
		return e, false, context.Cause(ctx)
	case <-f.done:
		return e, false, cmp(f.err)
	}
}

func cmp(err error) error {
	if err == nil {
		return errors.New("logical: the reading has been closed")
	}
	return fmt.Errorf("logical: the log cannot be read: %w", err)
}

// together is how long the rest of a transaction is waited for, of which a part is there.
const together = time.Second

// collect hands over what is there, and waits for so long at most while there is nothing. take tells whether it has
// had something, whether that is a part of a transaction, whose rest is on its way then, and whether it is full.
func (f *feed) collect(ctx context.Context, wait time.Duration, take func(event) (some, part, full bool, err error)) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	patience, late := timer.C, false
	for {
		e, ok, err := f.next(ctx, patience)
		if err != nil || !ok {
			return err
		}
		some, part, full, err := take(e)
		switch {
		case err != nil || full:
			return err
		case some && !part:
			patience = nil // only what is there
		case some && !late:
			late = true
			timer.Reset(together)
			fallthrough
		default:
			patience = timer.C
		}
	}
}

// close ends the reading; what was confirmed before is told to the server.
func (f *feed) close() {
	f.cancel()
	<-f.done
}
