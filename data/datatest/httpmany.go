package datatest

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/idempotency"
)

// httpMany: of many requests at once, whose records share commits, each key is carried out once,
// and each gets its own answer; those whose claim was taken over meanwhile record nothing.
func httpMany(t *testing.T, open func() *sql.DB) {
	const keys, times = 24, 3
	db := open()
	ledger(t, db)
	var mu sync.Mutex
	runs, in := map[string]int{}, 0
	all, stolen := make(chan struct{}), make(chan struct{})
	h := idempotency.Handler(db, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		runs[string(body)]++
		if in++; in == keys {
			close(all)
		}
		mu.Unlock()
		<-stolen
		_, _ = fmt.Fprintf(w, `answer "%s" \`, body)
	}))
	go func() {
		defer close(stolen)
		<-all
		if _, err := db.ExecContext(t.Context(), `UPDATE muster_idempotency SET fence = 5 WHERE "key" IN ('k3', 'k7')`); err != nil {
			t.Error(err)
		}
	}()
	codes := make([]response, keys*times)
	dbtest.Together(keys*times, func(i int) {
		key := fmt.Sprint("k", i%keys)
		codes[i] = post(t, h, key, key)
	})
	for i := range keys {
		key := fmt.Sprint("k", i)
		dbtest.Want(t, "runs of "+key, runs[key], 1)
		done := 0
		for n := range times {
			if got := codes[i+n*keys]; got.status == http.StatusOK {
				done++
				dbtest.Want(t, "answer", got.body, `answer "`+key+`" \`)
			} else if got.status != http.StatusConflict && got.status != http.StatusBadGateway { // a repetition; what could not be recorded
				t.Errorf("%s: status %d", key, got.status)
			}
		}
		if took := key == "k3" || key == "k7"; took && done > 0 || !took && done == 0 {
			t.Errorf("%s: %d of %d were answered", key, done, times)
		}
	}
	dbtest.Want(t, "answers on record", dbtest.Value[int](t, db, `SELECT count(*) FROM muster_idempotency WHERE answer IS NOT NULL`), keys-2)
}
