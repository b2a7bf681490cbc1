package card

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/problem"
)

// victim is set in a process that TestKilledAtAnyMoment runs to kill it: the file of
// its ledger.
const victim = "CARD_TEST_VICTIM"

// TestMain becomes the victim where it is told to.
func TestMain(m *testing.M) {
	if file := os.Getenv(victim); file != "" {
		fmt.Fprintln(os.Stderr, "error:", serve(file)) // it serves until it is killed
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serve serves a ledger and says where, until the process ends.
func serve(file string) error {
	ctx := context.Background()
	db, err := ledger(ctx, file)
	if err != nil {
		return err
	}
	p, err := newProcessor(db, Config{Decline: 20, Delay: 20, Timeout: 20}, func(request, Result) {})
	if err != nil {
		return err
	}
	p.wait = func(context.Context, time.Duration) {}
	api := routes(p, slog.New(slog.DiscardHandler))
	if err := api.Err(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	return http.Serve(listener, api)
}

func ledger(ctx context.Context, file string) (*sql.DB, error) {
	db, err := sqlite.Driver.Open(ctx, "sqlite:"+file)
	if err != nil {
		return nil, err
	}
	return db, migrate.Run(ctx, db, migrations)
}

// Killed by kill -9 in the middle of its calls, which are then repeated at the next
// one: what was ever answered is in the ledger, and stays the answer.
func TestKilledAtAnyMoment(t *testing.T) {
	const rounds, workers, calls = 5, 4, 25
	file := filepath.Join(t.TempDir(), "card.db")
	var mu sync.Mutex
	answers := map[request]Result{}
	for round := range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), victim+"="+file), os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var url string
		if _, err := fmt.Fscanln(out, &url); err != nil {
			t.Fatal(err)
		}
		var answered atomic.Int64
		enough := 1 + rand.Int64N(workers*calls*2-1)
		var calling sync.WaitGroup
		for w := range workers {
			calling.Go(func() {
				for i := range calls * 2 {
					order := fmt.Sprintf("o-%d-%d", w, i/2)
					r := []request{{charge, "k-" + order, order, int64(100 + i/2)}, {Kind: refund, Key: "k-" + order, Reference: order}}[i%2]
					res, err := post(ctx, url, r)
					if err != nil && problem.CodeOf(err) != problem.Conflict { // refunds of what was declined
						return // it was killed
					}
					mu.Lock()
					if known, told := answers[r]; err == nil && told && known != res {
						t.Errorf("%+v was answered with %+v, then with %+v", r, known, res)
					}
					if err == nil {
						answers[r] = res
					}
					mu.Unlock()
					if answered.Add(1) == enough && round < rounds-1 {
						cancel() // which kills it
					}
				}
			})
		}
		calling.Wait()
		cancel()
		_ = cmd.Wait() // it was killed
	}
	db, err := ledger(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p := &processor{db: db}
	for r, res := range answers {
		if r.Kind == refund {
			want(t, p, `(SELECT SUM(cents) FROM refunds WHERE reference = '`+r.Reference+`')`, res.Cents)
		} else {
			want(t, p, `(SELECT SUM(cents) FROM charges WHERE key = '`+r.Key+`' AND state = '`+res.State+`')`, res.Cents)
		}
	}
	want(t, p, `(SELECT COUNT(*) FROM charges)`, workers*calls)
	want(t, p, `(SELECT COUNT(DISTINCT reference) FROM charges)`, workers*calls)
	if n := count(t, p, `(SELECT COUNT(*) FROM refunds)`); n == 0 || n != count(t, p, `(SELECT COUNT(*) FROM charges WHERE state = 'captured')`) {
		t.Errorf("%d refunds: each charge that was captured has one", n)
	}
}

func post(ctx context.Context, url string, r request) (res Result, err error) {
	body := map[string]any{"reference": r.Reference}
	if r.Kind == charge {
		body["cents"] = r.Cents
	}
	text, err := json.Marshal(body)
	if err != nil {
		return res, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/"+r.Kind+"s", bytes.NewReader(text))
	if err != nil {
		return res, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", r.Key)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return res, err
	}
	defer answer.Body.Close()
	if err := problem.FromResponse(answer); err != nil {
		return res, err
	}
	text, err = io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(text, &res)
	}
	return res, err
}
