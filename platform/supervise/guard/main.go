// Package guard keeps the promise that no child outlives its supervisor, not
// even one that dies by SIGKILL and can clean up nothing.
//
// A guardian is a second, tiny process that reads a pipe whose other end only
// the supervisor holds. It is told every process group the supervisor starts.
// When the pipe ends, the supervisor is dead, however it died: the guardian
// kills those groups and exits.
package guard

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/musterdev/muster/platform/supervise/group"
)

// hello is what a guardian says once it listens.
const hello = "guarding\n"

// How long a guardian goes on killing groups that do not vanish: where a process
// can fork while its group is killed, its child is caught the second time. Zombies
// that nobody reaps count as a group too, so there must be an end.
const (
	killFor   = 200 * time.Millisecond
	killEvery = 10 * time.Millisecond
)

// Main is the guardian's whole life: it says hello on answers, follows the
// orders until they end, kills every group it was told of and returns the exit
// code. It ignores the signals of a terminal, which are meant for the supervisor.
func Main(orders io.Reader, answers io.Writer) int {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if _, err := io.WriteString(answers, hello); err != nil {
		return 1 // nobody is there: nothing was started yet
	}
	groups := map[int]bool{}
	for lines := bufio.NewScanner(orders); lines.Scan(); {
		switch op, id, ok := parse(lines.Text()); {
		case !ok: // half a line of a supervisor that died writing it
		case op == watchOver:
			groups[id] = true
		default:
			delete(groups, id)
		}
	}
	end(groups)
	return 0
}

// end kills groups until they are gone.
func end(groups map[int]bool) {
	again := time.NewTicker(killEvery)
	defer again.Stop()
	for late := time.After(killFor); len(groups) > 0; {
		for id := range groups {
			if errors.Is(group.Kill(id), group.ErrGone) {
				delete(groups, id)
			}
		}
		select {
		case <-again.C:
		case <-late:
			return
		}
	}
}
