// Package card plays a card processor, somebody else's service: it captures money and
// gives it back, and does so with every unkindness of a real one. It declines, is slow,
// does it and never says so, says it twice. Its ledger is the truth that the shop is
// judged by: every answer is given after its row is committed, and nothing is ever
// changed there. So it uses none of the data patterns that it is to judge; only SQL.
package card

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/query"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The kinds of calls.
const charge, refund = "charge", "refund"

// How long it takes its time, for a charge that is slow to begin and for one whose
// answer is; and the bound of the transaction of a call whose caller may have left.
const slow, lost, settle = 1200 * time.Millisecond, 3 * time.Second, 5 * time.Second

// request is a call.
type request struct {
	Kind, Key, Reference string
	Cents                int64 // of a charge
}

// Result is what became of a charge or a refund. It is the same for every call with
// the same key.
type Result struct {
	ID    string `json:"id" doc:"The processor's name of the charge or refund."`
	State string `json:"state" enum:"captured,declined,refunded"`
	Cents int64  `json:"cents"`
}

// processor keeps the ledger. It is safe for concurrent use.
type processor struct {
	db   *sql.DB
	now  string // SQL for the database's clock
	cfg  Config
	wait func(ctx context.Context, d time.Duration) // until d has passed or ctx ended
	tell func(request, Result)                      // queues a webhook
}

func newProcessor(db *sql.DB, cfg Config, tell func(request, Result)) (*processor, error) {
	dialect, err := tx.DialectOf(db)
	return &processor{db: db, now: dialect.Now(), cfg: cfg, wait: wait, tell: tell}, err
}

// do carries a call out. The unkindness is for the first call of a key; only what was
// declined stays so.
func (p *processor) do(ctx context.Context, r request) (Result, error) {
	how, err := p.enter(ctx, r)
	if err != nil {
		return Result{}, err
	}
	// From here on the money moves, whether or not the caller still listens. A slow
	// charge may so be captured by a repetition of it, and find that.
	moving := context.WithoutCancel(ctx)
	if how == delay {
		p.wait(moving, slow)
	}
	moving, cancel := context.WithTimeout(moving, settle)
	defer cancel()
	var res Result
	if err := tx.Do(moving, p.db, func(ctx context.Context, tx *sql.Tx) (err error) {
		if r.Kind == charge {
			res, err = p.charge(ctx, tx, r)
		} else {
			res, err = p.refund(ctx, tx, r)
		}
		return err
	}); err != nil {
		return Result{}, err
	}
	switch how {
	case twice:
		p.tell(r, res)
		p.tell(r, res)
	case timeout:
		// Not ctx: whoever asked says with it how long it will wait, and would be answered
		// in its last millisecond.
		p.wait(context.WithoutCancel(ctx), lost)
	}
	return res, nil
}

// enter writes the call down, remembers what its key is for, and says how it is to be
// treated. A key that was used for something else is refused, and written down too.
func (p *processor) enter(ctx context.Context, r request) (how behaviour, err error) {
	known := r
	err = tx.Do(ctx, p.db, func(ctx context.Context, tx *sql.Tx) (err error) {
		known, how, err = p.note(ctx, tx, r)
		return err
	})
	if err == nil && known != r {
		err = problem.New(problem.Unprocessable, "the key %q was used for another %s: make a new key for each", r.Key, r.Kind).
			WithField("Idempotency-Key", "was used for "+known.Reference)
	}
	return how, err
}

// note returns what the key of a call was first used for.
func (p *processor) note(ctx context.Context, tx tx.Tx, r request) (known request, how behaviour, err error) {
	fresh, err := query.Change(ctx, tx, `INSERT INTO requests (kind, key, reference, cents) VALUES ($1, $2, $3, $4)
		ON CONFLICT (kind, key) DO NOTHING`, r.Kind, r.Key, r.Reference, r.Cents)
	if err != nil {
		return r, "", err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO accounts (reference) VALUES ($1) ON CONFLICT (reference) DO NOTHING`, r.Reference); err != nil {
		return r, "", err
	}
	known = request{Kind: r.Kind, Key: r.Key}
	if err := tx.QueryRowContext(ctx, `SELECT reference, cents FROM requests WHERE kind = $1 AND key = $2`, r.Kind, r.Key).
		Scan(&known.Reference, &known.Cents); err != nil {
		return r, "", err
	}
	if how = p.cfg.fate(r.Kind, known.Reference); !fresh && how != decline {
		how = plain
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO calls (id, kind, key, behaviour, at) VALUES ($1, $2, $3, $4, `+p.now+`)`,
		rand.Text(), r.Kind, r.Key, string(how))
	return known, how, err
}

// charge captures, or declines. Another key is another charge, also of the same
// reference: whoever asks for that has asked for the money twice.
func (p *processor) charge(ctx context.Context, tx tx.Tx, r request) (Result, error) {
	state := "captured"
	if p.cfg.fate(charge, r.Reference) == decline {
		state = "declined"
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO charges (key, reference, cents, state, created_at) VALUES ($1, $2, $3, $4, `+p.now+`)
		ON CONFLICT (key) DO NOTHING`, r.Key, r.Reference, r.Cents, state); err != nil {
		return Result{}, err
	}
	res := Result{ID: name(r)} // the row's state, which an earlier run with another share may have decided
	err := tx.QueryRowContext(ctx, `SELECT state, cents FROM charges WHERE key = $1`, r.Key).Scan(&res.State, &res.Cents)
	return res, err
}

// refund gives back what was captured of a reference and not given back yet. When all
// is back already, the answer is that of the last refund; it stays the key's answer.
func (p *processor) refund(ctx context.Context, tx tx.Tx, r request) (Result, error) {
	// Of several refunds of one reference all but one wait here until that has ended.
	if _, err := tx.ExecContext(ctx, `UPDATE accounts SET reference = reference WHERE reference = $1`, r.Reference); err != nil {
		return Result{}, err
	}
	var captured, refunded int64
	if err := tx.QueryRowContext(ctx, `SELECT
		(SELECT CAST(COALESCE(SUM(cents), 0) AS BIGINT) FROM charges WHERE reference = $1 AND state = 'captured'),
		(SELECT CAST(COALESCE(SUM(cents), 0) AS BIGINT) FROM refunds WHERE reference = $1)`, r.Reference).Scan(&captured, &refunded); err != nil {
		return Result{}, err
	}
	if captured == 0 {
		return Result{}, problem.New(problem.Conflict, "nothing was captured for %q: there is nothing to give back", r.Reference)
	}
	// The refund that this key was answered with, or else that which left nothing to do.
	const columns = `SELECT key, cents FROM refunds WHERE `
	given, found, err := query.One(ctx, tx, movement, columns+`key = (SELECT refund FROM requests WHERE kind = 'refund' AND key = $1)`, r.Key)
	if err == nil && !found && captured == refunded {
		given, found, err = query.One(ctx, tx, movement, columns+`reference = $1 ORDER BY created_at DESC, key LIMIT 1`, r.Reference)
	}
	if err == nil && !found {
		given = request{Key: r.Key, Cents: captured - refunded}
		_, err = tx.ExecContext(ctx, `INSERT INTO refunds (key, reference, cents, created_at) VALUES ($1, $2, $3, `+p.now+`)`, r.Key, r.Reference, given.Cents)
	}
	if err != nil {
		return Result{}, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE requests SET refund = $1 WHERE kind = 'refund' AND key = $2`, given.Key, r.Key)
	return Result{ID: name(request{Kind: refund, Key: given.Key}), State: "refunded", Cents: given.Cents}, err
}

// movement is what is read of a refund.
func movement(r *request) []any { return []any{&r.Key, &r.Cents} }

// name is the processor's own name of what a key stands for.
func name(r request) string {
	sum := sha256.Sum256([]byte(r.Kind + " " + r.Key))
	return r.Kind[:2] + "-" + hex.EncodeToString(sum[:10])
}

func wait(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}
