package otlp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/telemetry/otlp/wire"
)

// ledger is the account of one request: what each service sent and what became of it,
// until it is settled. Until then everything that is not dropped is to be stored.
type ledger struct {
	services map[string]*Count
	repaired [wire.Repairs]int64

	last     string
	lastOpen *Count
}

func newLedger() *ledger { return &ledger{services: map[string]*Count{}} }

// of returns the account of a service.
func (l *ledger) of(service string) *Count {
	if l.lastOpen == nil || l.last != service {
		l.last, l.lastOpen = service, count(l.services, service)
	}
	return l.lastOpen
}

// repairs counts an item's repairs.
func (l *ledger) repairs(r wire.Repair) {
	for i := 0; r != 0; i, r = i+1, r>>1 {
		l.repaired[i] += int64(r & 1)
	}
}

// stored settles with what was not dropped as stored.
func (l *ledger) stored() {
	for _, c := range l.services {
		c.Stored = c.Received - c.dropped()
	}
}

// failed settles with what was not stored or dropped before as dropped for why.
func (l *ledger) failed(why string) {
	l.repaired = [wire.Repairs]int64{}
	for _, c := range l.services {
		if rest := c.Received - c.Stored - c.dropped(); rest > 0 {
			c.drop(why, rest)
		}
	}
}

// returned settles with nothing as taken, but of services whose part is stored already:
// the sender will send all of it again.
func (l *ledger) returned() {
	l.repaired = [wire.Repairs]int64{}
	for name, c := range l.services {
		if c.Stored == 0 {
			l.services[name] = &Count{Returned: c.Received}
		}
	}
}

// outcome is what a sender is told of a request that was taken.
type outcome struct {
	rejected int64
	why      string
}

// outcome sums up what was dropped.
func (l *ledger) outcome(sig, detail string) outcome {
	total := Count{}
	for _, c := range l.services {
		total.add(c)
	}
	o := outcome{rejected: total.dropped()}
	if o.rejected == 0 {
		return o
	}
	var parts []string
	for why, n := range total.Dropped {
		parts = append(parts, fmt.Sprintf("%d %s", n, why))
	}
	slices.Sort(parts)
	o.why = fmt.Sprintf("%d of %d %s were left out: %s", o.rejected, total.Received, sig, strings.Join(parts, ", "))
	if detail != "" {
		o.why += " (" + detail + ")"
	}
	return o
}
