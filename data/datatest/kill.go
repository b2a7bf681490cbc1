package datatest

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
)

// How KillMinusNine's victims work.
const (
	victimKeys = 60 // the requests each victim repeats from the first
	victims    = 8  // killed one after the other; a last one ends in peace
)

// KillMinusNine proves that no crash comes between an effect and its record: it
// kills processes in the middle of their requests, lets the next repeat all of them,
// and counts the effects. command returns a process, not yet started, that calls
// [Victim] on the same database and writes to its standard output.
func KillMinusNine(t *testing.T, open func() *sql.DB, command func(t *testing.T) *exec.Cmd) {
	db := open()
	ledger(t, db)
	answers := map[string]string{} // what any client was ever told
	for round := range victims + 1 {
		cmd := command(t)
		out, err := cmd.StdoutPipe()
		dbtest.Succeed(t, err)
		cmd.Stderr = os.Stderr
		dbtest.Succeed(t, cmd.Start())
		last := round == victims
		kill := 1 + rand.IntN(victimKeys-1)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			key, answer, ok := strings.Cut(lines.Text(), " ")
			if !ok { // cut off by the kill
				break
			}
			if before, told := answers[key]; told && before != answer {
				t.Errorf("%s was answered with %s, then with %s", key, before, answer)
			}
			answers[key] = answer
			if !last && n == kill {
				dbtest.Succeed(t, cmd.Process.Kill()) // while it goes on with the next
			}
		}
		if err := cmd.Wait(); last && err != nil {
			t.Fatalf("the last victim: %v", err)
		}
	}
	dbtest.Want(t, "requests answered", len(answers), victimKeys)
	dbtest.Want(t, "effects", effects(t, db), victimKeys)
	for key, answer := range answers {
		dbtest.Want(t, "effect of "+key, dbtest.Value[string](t, db, `SELECT value FROM effect WHERE "key" = $1`, key), answer)
	}
}

// Victim carries out the requests of [KillMinusNine] and writes each answer as a line
// to w. It is the whole work of the process to be killed.
func Victim(ctx context.Context, db *sql.DB, w io.Writer) error {
	for i := range victimKeys {
		key := fmt.Sprint("k", i)
		answer, err := pay(request(ctx, key), db, nothing)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, key, answer.Value); err != nil {
			return err
		}
	}
	return nil
}
