package inboxtest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/tx"
)

// noted: of all who note a message, over several processes, one is the first.
func noted(t *testing.T, open func() *sql.DB) {
	const messages, times = 60, 4
	db := migrated(t, open)
	dbtest.Succeed(t, tx.Do(t.Context(), db, func(ctx context.Context, t *sql.Tx) error {
		_, err := inbox.Insert(ctx, t, "books", `/te"st\`, "m0")
		return err
	}))
	notes := []*inbox.Notes{{DB: db}, {DB: db}, {DB: open()}}
	var mu sync.Mutex
	fresh := map[string]int{}
	dbtest.Together(messages*times, func(i int) {
		id := fmt.Sprint("m", i%messages)
		first, err := notes[i%len(notes)].Note(t.Context(), "books", `/te"st\`, id)
		if err != nil {
			t.Error(id, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if first {
			fresh[id]++
		}
	})
	for i := range messages {
		id := fmt.Sprint("m", i)
		dbtest.Want(t, id, fresh[id], map[bool]int{false: 1}[i == 0])
	}
	dbtest.Want(t, "notes", dbtest.Value[int](t, db, `SELECT count(*) FROM muster_inbox`), messages)
	first, err := notes[0].Note(t.Context(), "other", `/te"st\`, "m1")
	if !first || err != nil {
		t.Error("another group:", first, err)
	}
}

func notedWrong(t *testing.T, open func() *sql.DB) {
	for want, try := range map[string]func() error{
		"the database is nil": func() error { _, err := new(inbox.Notes).Note(t.Context(), "g", "s", "1"); return err },
		"by group, source and id; given are \"g\", \"\" and \"1\"": func() error { _, err := (&inbox.Notes{DB: open()}).Note(t.Context(), "g", "", "1"); return err },
		"call inbox.Migrate before":                                func() error { _, err := (&inbox.Notes{DB: open()}).Note(t.Context(), "g", "s", "1"); return err },
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
