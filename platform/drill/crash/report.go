package crash

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/fault/machine"
)

// What the faults themselves are held to: a drill must have broken enough to prove anything.
const (
	killsAMinute = 20
	killsEach    = 2 // of every kind, in a minute or more
	longRun      = time.Minute
	takenWithin  = 5 * time.Second // after the death of its holder a saga is another's
)

// Report adds what was broken and how soon sagas went on, with a row for each target.
func (res *Result) Report(r *drill.Report) {
	total := 0
	var kinds []string
	least := ""
	for _, kind := range slices.Sorted(maps.Keys(res.Kills)) {
		n := res.Kills[kind]
		total += n
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
		if least == "" || n < res.Kills[least] {
			least = kind
		}
	}
	want := int(killsAMinute * res.For / time.Minute)
	r.Add("processes killed by kill -9", fmt.Sprintf(">= %d", want), total, total >= want && total > 0)
	r.Note("killed: %s", strings.Join(kinds, ", "))
	if res.For >= longRun {
		r.Add("of each kind, the least", fmt.Sprintf(">= %d", killsEach), fmt.Sprintf("%d of %s", res.Kills[least], least), res.Kills[least] >= killsEach)
	}
	r.Add("holders of sagas stopped for "+res.paused.String(), ">= 1, and others go on",
		fmt.Sprintf("%d; others took over %d of %d sagas", res.Pauses, res.Overtaken, res.Held), res.Pauses > 0 && res.Overtaken > 0)
	if res.databases {
		r.Add("database crashed and back", ">= 1", res.Restarts, res.Restarts > 0)
	} else {
		r.Note("database crashed and back: not applicable: SQLite has no server; see --database postgres")
	}
	r.Add("events delivered again", ">= 1, and behind newer ones", fmt.Sprintf("%d, %d of them behind", res.Copies.Made, res.Copies.Behind), res.Copies.Behind > 0)
	res.takeovers(r)
	if err := machine.Clock(time.Hour); err != nil {
		r.Note("%v; the simulation in proof/simulation steps the database's clock", err)
	}
}

func (res *Result) takeovers(r *drill.Report) {
	target := "<= " + takenWithin.String()
	what := "sagas of a killed holder taken over, p50, p99, the slowest"
	if len(res.Takeovers) == 0 {
		r.Add(what, target, fmt.Sprintf("none of %d", res.Orphans), false)
		return
	}
	took := slices.Sorted(slices.Values(res.Takeovers))
	at := func(q float64) time.Duration { return took[min(len(took)-1, int(q*float64(len(took))))] }
	worst := took[len(took)-1]
	said := fmt.Sprintf("%s, %s, %s, of %d", short(at(0.5)), short(at(0.99)), short(worst), len(took))
	if lost := res.Orphans - len(took); lost > 0 {
		said += fmt.Sprintf("; %d never", lost)
	}
	r.Add(what, target, said, worst <= takenWithin && len(took) >= res.Orphans)
}

func short(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
