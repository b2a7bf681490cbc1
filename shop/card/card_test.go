package card

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/internal/engines"
)

// each runs a test on both engines. replica returns a processor on one more pool that
// never waits, and the webhooks it queued.
func each(t *testing.T, cfg Config, test func(t *testing.T, replica func() (*processor, *told))) {
	engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
		test(t, func() (*processor, *told) {
			all := &told{}
			p, err := newProcessor(open(), cfg, all.tell)
			if err != nil {
				t.Fatal(err)
			}
			p.wait = func(context.Context, time.Duration) {}
			return p, all
		})
	})
}

// told is the webhooks that were queued.
type told struct {
	mu  sync.Mutex
	all []Webhook
}

func (w *told) tell(r request, res Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, Webhook{r.Key, r.Reference, res})
}

func must(t *testing.T, p *processor, r request, state string, cents int64) Result {
	t.Helper()
	res, err := p.do(t.Context(), r)
	if err != nil || res.State != state || res.Cents != cents || res.ID == "" {
		t.Fatalf("%+v: %+v, %v; want %s of %d", r, res, err, state, cents)
	}
	return res
}

func refuses(t *testing.T, p *processor, r request, want problem.Code) {
	t.Helper()
	if res, err := p.do(t.Context(), r); problem.CodeOf(err) != want {
		t.Errorf("%+v: %+v, %v; want %s", r, res, err, want)
	}
}

// count reads a number from the ledger.
func count(t *testing.T, p *processor, query string) int64 {
	t.Helper()
	var n int64
	if err := p.db.QueryRowContext(t.Context(), `SELECT CAST(COALESCE(`+query+`, 0) AS BIGINT)`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func want(t *testing.T, p *processor, query string, want int64) {
	t.Helper()
	if got := count(t, p, query); got != want {
		t.Errorf("%s: %d, want %d", query, got, want)
	}
}

func TestTheSameKeyIsOneMovement(t *testing.T) {
	each(t, Config{}, func(t *testing.T, replica func() (*processor, *told)) {
		p, _ := replica()
		again, _ := replica()
		buy, back := request{charge, "k", "o-1", 500}, request{Kind: refund, Key: "k", Reference: "o-1"}
		first := must(t, p, buy, "captured", 500)
		if same := must(t, again, buy, "captured", 500); same != first {
			t.Errorf("%+v; the first was %+v", same, first)
		}
		refuses(t, p, request{charge, "k", "o-1", 501}, problem.Unprocessable)
		refuses(t, p, request{charge, "k", "o-2", 500}, problem.Unprocessable)
		given := must(t, p, back, "refunded", 500)
		if same := must(t, again, back, "refunded", 500); same != given || given.ID == first.ID {
			t.Errorf("%+v; the first was %+v", same, given)
		}
		must(t, p, buy, "captured", 500) // what a key got, it gets
		refuses(t, p, request{Kind: refund, Key: "k", Reference: "o-2"}, problem.Unprocessable)
		want(t, p, `(SELECT COUNT(*) FROM charges)`, 1)
		want(t, p, `(SELECT COUNT(*) FROM refunds)`, 1)
		want(t, p, `(SELECT COUNT(*) FROM calls WHERE behaviour = 'plain' AND at > 1700000000000)`, 8)
	})
}

// Whoever asks for money with another key asks for it once more; whoever gives it back
// with another key does not.
func TestAnotherKey(t *testing.T) {
	each(t, Config{}, func(t *testing.T, replica func() (*processor, *told)) {
		p, _ := replica()
		must(t, p, request{charge, "k-1", "o-1", 500}, "captured", 500)
		must(t, p, request{charge, "k-2", "o-1", 30}, "captured", 30)
		given := must(t, p, request{Kind: refund, Key: "r-1", Reference: "o-1"}, "refunded", 530)
		if same := must(t, p, request{Kind: refund, Key: "r-2", Reference: "o-1"}, "refunded", 530); same != given {
			t.Errorf("%+v, want %+v", same, given)
		}
		refuses(t, p, request{Kind: refund, Key: "r-2", Reference: "o-2"}, problem.Unprocessable)
		want(t, p, `(SELECT SUM(cents) FROM refunds)`, 530)
		want(t, p, `(SELECT COUNT(*) FROM refunds)`, 1)

		must(t, p, request{charge, "k-3", "o-1", 7}, "captured", 7)
		for _, key := range []string{"r-1", "r-2"} {
			must(t, p, request{Kind: refund, Key: key, Reference: "o-1"}, "refunded", 530)
		}
		must(t, p, request{Kind: refund, Key: "r-3", Reference: "o-1"}, "refunded", 7)
		want(t, p, `(SELECT SUM(cents) FROM refunds)`, 537)
	})
}

func TestNothingCapturedIsNothingToGiveBack(t *testing.T) {
	each(t, Config{Decline: 100}, func(t *testing.T, replica func() (*processor, *told)) {
		p, _ := replica()
		refuses(t, p, request{Kind: refund, Key: "r", Reference: "o-1"}, problem.Conflict)
		must(t, p, request{charge, "k", "o-1", 500}, "declined", 500)
		must(t, p, request{charge, "k", "o-1", 500}, "declined", 500)
		refuses(t, p, request{Kind: refund, Key: "r", Reference: "o-1"}, problem.Conflict)
		want(t, p, `(SELECT COUNT(*) FROM charges WHERE state = 'declined')`, 1)
		want(t, p, `(SELECT COUNT(*) FROM refunds)`, 0)
		want(t, p, `(SELECT COUNT(*) FROM calls WHERE behaviour = 'decline' AND kind = 'charge')`, 2)

		p.cfg = Config{} // started again with other shares: what was decided stays
		must(t, p, request{charge, "k", "o-1", 500}, "declined", 500)
		must(t, p, request{charge, "k-2", "o-1", 500}, "captured", 500)
		must(t, p, request{Kind: refund, Key: "r", Reference: "o-1"}, "refunded", 500)
	})
}

// The answer that is lost is one of a movement that is on record; it is lost once.
func TestTimeout(t *testing.T) {
	each(t, Config{Timeout: 100}, func(t *testing.T, replica func() (*processor, *told)) {
		p, _ := replica()
		other, _ := replica()
		waited := 0
		p.wait = func(ctx context.Context, d time.Duration) {
			if waited++; d != lost {
				t.Errorf("it waits %s", d)
			}
			want(t, other, `(SELECT SUM(cents) FROM charges WHERE key = 'k' AND state = 'captured')`, 500)
			must(t, other, request{charge, "k", "o-1", 500}, "captured", 500) // the caller has given up
		}
		must(t, p, request{charge, "k", "o-1", 500}, "captured", 500)
		must(t, p, request{charge, "k", "o-1", 500}, "captured", 500)
		if waited != 1 {
			t.Errorf("it waited %d times, want once", waited)
		}
		p.wait = func(context.Context, time.Duration) { want(t, other, `(SELECT SUM(cents) FROM refunds)`, 500) }
		must(t, p, request{Kind: refund, Key: "k", Reference: "o-1"}, "refunded", 500)
		want(t, p, `(SELECT COUNT(*) FROM calls WHERE behaviour = 'timeout')`, 2)
		want(t, p, `(SELECT COUNT(*) FROM calls WHERE behaviour = 'plain')`, 2)
	})
}

// A slow charge is carried out although its caller left; a repetition does not wait
// for it, and the two are one charge.
func TestDelay(t *testing.T) {
	each(t, Config{Delay: 100}, func(t *testing.T, replica func() (*processor, *told)) {
		p, _ := replica()
		other, _ := replica()
		ctx, leave := context.WithCancel(t.Context())
		p.wait = func(ctx context.Context, d time.Duration) {
			leave()
			if ctx.Err() != nil || d != slow {
				t.Errorf("it waits %s under %v", d, ctx.Err())
			}
			want(t, other, `(SELECT COUNT(*) FROM charges)`, 0)
		}
		if res, err := p.do(ctx, request{charge, "k-1", "o-1", 500}); err != nil || res.State != "captured" {
			t.Errorf("%+v, %v", res, err)
		}
		want(t, other, `(SELECT SUM(cents) FROM charges)`, 500)

		var repeated Result
		p.wait = func(context.Context, time.Duration) {
			repeated = must(t, other, request{charge, "k-2", "o-2", 30}, "captured", 30)
		}
		if late := must(t, p, request{charge, "k-2", "o-2", 30}, "captured", 30); late != repeated {
			t.Errorf("the late one is %+v, its repetition %+v", late, repeated)
		}
		want(t, p, `(SELECT SUM(cents) FROM charges)`, 530)
	})
}

func TestTwice(t *testing.T) {
	each(t, Config{Twice: 100}, func(t *testing.T, replica func() (*processor, *told)) {
		p, all := replica()
		first := must(t, p, request{charge, "k", "o-1", 500}, "captured", 500)
		must(t, p, request{charge, "k", "o-1", 500}, "captured", 500)
		back := must(t, p, request{Kind: refund, Key: "k", Reference: "o-1"}, "refunded", 500)
		if want := []Webhook{{"k", "o-1", first}, {"k", "o-1", first}, {"k", "o-1", back}, {"k", "o-1", back}}; !slices.Equal(all.all, want) {
			t.Errorf("told %+v, want %+v", all.all, want)
		}
	})
}

// Whatever is asked at the same time of several processors on one ledger: a key has
// one answer, and no more is given back than was captured.
func TestTheLedgerHolds(t *testing.T) {
	cfg := Config{Decline: 20, Delay: 20, Timeout: 20, Twice: 20}
	each(t, cfg, func(t *testing.T, replica func() (*processor, *told)) {
		const workers, calls, references = 8, 40, 6
		one, _ := replica()
		two, _ := replica()
		var mu sync.Mutex
		answers := map[request]Result{}
		var working sync.WaitGroup
		for w := range workers {
			working.Go(func() {
				draw := rand.New(rand.NewPCG(1, uint64(w)))
				for range calls {
					n := draw.IntN(references)
					r := request{charge, fmt.Sprintf("k-%d-%d", n, draw.IntN(2)), fmt.Sprint("o-", n), int64(100 + n)}
					if draw.IntN(2) == 0 {
						r = request{Kind: refund, Key: r.Key, Reference: r.Reference}
					}
					res, err := []*processor{one, two}[w%2].do(t.Context(), r)
					mu.Lock()
					known, answered := answers[r]
					switch {
					case err != nil && problem.CodeOf(err) != problem.Conflict:
						t.Errorf("%+v: %v", r, err)
					case err == nil && answered && known != res: // a refusal is nobody's last word
						t.Errorf("%+v got %+v, then %+v, %v", r, known, res, err)
					case err == nil:
						answers[r] = res
					}
					mu.Unlock()
				}
			})
		}
		working.Wait()
		want(t, one, `(SELECT COUNT(*) FROM (SELECT reference, SUM(cents) AS given FROM refunds GROUP BY reference) AS r
			WHERE given > (SELECT COALESCE(SUM(cents), 0) FROM charges WHERE charges.reference = r.reference AND state = 'captured'))`, 0)
		want(t, one, `(SELECT COUNT(*) FROM calls)`, workers*calls)
		for _, table := range []string{"charges", "refunds"} {
			if count(t, one, `(SELECT COUNT(*) FROM `+table+`)`) == 0 {
				t.Errorf("no %s: the test did nothing", table)
			}
		}
	})
}
