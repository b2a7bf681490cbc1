// Package calltable writes how calls stand, for people.
package calltable

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/call/seen"
	"github.com/musterdev/muster/platform/ops"
)

func columns(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// WriteUnusual writes, for people, what is not as it should be with calls; nothing
// while all is well. Who did not answer is left to other tables.
func WriteUnusual(out io.Writer, c ops.Calls) error {
	w := columns(out)
	first := true
	for _, s := range c.Callers {
		for _, said := range s.Unusual {
			if first {
				_, _ = fmt.Fprintln(w, "\nCALLER\tUNUSUAL")
			}
			first = false
			_, _ = fmt.Fprintf(w, "%s\t%s\n", caller(s.Process), said)
		}
	}
	return w.Flush()
}

func caller(s seen.Process) string { return cmp.Or(s.Instance, s.Service) }

// Write writes how calls stand, for people: what becomes of them by route, what each
// caller thinks of each instance, how each server's door stands, and what is unusual.
func Write(out io.Writer, c ops.Calls) error {
	w := columns(out)
	_, _ = fmt.Fprintln(w, "CALLER\tSERVICE\tROUTE\tCALLS\tFAILED\tATTEMPTS\tRETRIED\tDENIED\tHEDGED\tBREAKER\tBULKHEAD\tFELL BACK")
	for _, s := range c.Callers {
		for _, to := range s.Calls {
			for _, r := range to.Routes {
				writeRoute(w, caller(s.Process), to.Service, r)
			}
		}
	}
	_ = w.Flush() // another table begins
	_, _ = fmt.Fprintln(w, "\nCALLER\tINSTANCE\tSTATE\tIN FLIGHT\tLATENCY\tLEFT OUT")
	for _, s := range c.Callers {
		for _, to := range s.Calls {
			for _, i := range to.Instances {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", caller(s.Process), i.ID, stateOf(i), i.InFlight, known(i.Latency), left(i.EjectedUntil, s.At))
			}
		}
	}
	_ = w.Flush()
	_, _ = fmt.Fprintln(w, "\nSERVER\tPLACES TAKEN\tWAITING\tTAKEN IN\tTURNED AWAY")
	for _, s := range c.Callers {
		if a := s.Admission; a != nil {
			var admitted uint64
			for _, n := range a.Admitted {
				admitted += n
			}
			places := fmt.Sprintf("%d of %d", a.InFlight, a.Limit)
			if a.Limit == 0 { // the edge's, which has none
				places = "-"
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", caller(s.Process), places, a.Waiting, admitted, turned(a))
		}
	}
	writeLimits(w, c)
	writeConnections(w, c)
	writePools(w, c)
	for i, m := range c.Missing {
		if i == 0 {
			_, _ = fmt.Fprintln(w)
		}
		_, _ = fmt.Fprintln(w, "not asked:", m.Error)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return WriteUnusual(out, c)
}

// most is how many rows of one server the tables show that a caller's name makes: whoever
// asks may give any.
const most = 20

// writeLimits writes how callers stand with what servers let them ask, where one does; of
// each server those that were refused most.
func writeLimits(w *tabwriter.Writer, c ops.Calls) {
	first := true
	for _, s := range c.Callers {
		if len(s.Limits) > 0 && first {
			_ = w.Flush()
			_, _ = fmt.Fprintln(w, "\nSERVER\tASKED BY\tMAY ASK\tALLOWED\tREFUSED")
			first = false
		}
		list := slices.SortedStableFunc(slices.Values(s.Limits), func(a, b quota.Stats) int {
			return cmp.Or(cmp.Compare(b.Refused, a.Refused), cmp.Compare(b.Allowed, a.Allowed))
		})
		more := list[min(most, len(list)):]
		for _, l := range list[:len(list)-len(more)] {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\n", caller(s.Process), l.Caller, l.All.Part(l.Servers), l.Allowed, l.Refused)
		}
		if len(more) == 0 {
			continue
		}
		var allowed, refused uint64
		for _, l := range more {
			allowed, refused = allowed+l.Allowed, refused+l.Refused
		}
		_, _ = fmt.Fprintf(w, "%s\t… and %d more\t\t%d\t%d\n", caller(s.Process), len(more), allowed, refused)
	}
}

// writeConnections writes how calls stand with connections, where these are bounded.
func writeConnections(w *tabwriter.Writer, c ops.Calls) {
	first := true
	for _, s := range c.Callers {
		for _, to := range s.Calls {
			n := to.Connections
			if n == nil {
				continue
			}
			if first {
				_ = w.Flush()
				_, _ = fmt.Fprintln(w, "\nCALLER\tSERVICE\tCONNECTIONS\tWAITING\tWAITED\tTOGETHER\tGAVE UP")
			}
			first = false
			_, _ = fmt.Fprintf(w, "%s\t%s\t%d to each instance\t%d\t%d\t%s\t%d\n", caller(s.Process), to.Service,
				n.PerInstance, n.Waiting, n.Waited, n.WaitSum.Round(time.Millisecond), n.GaveUp)
		}
	}
}

// writePools writes how instances stand with the connections to their databases.
func writePools(w *tabwriter.Writer, c ops.Calls) {
	first := true
	for _, s := range c.Callers {
		p := s.Database
		if p == nil {
			continue
		}
		if first {
			_ = w.Flush()
			_, _ = fmt.Fprintln(w, "\nDATABASE OF\tCONNECTIONS IN USE\tWAITED FOR\tTOGETHER")
		}
		first = false
		most := "any number"
		if p.Max > 0 {
			most = fmt.Sprint(p.Max)
		}
		_, _ = fmt.Fprintf(w, "%s\t%d of %s\t%d\t%s\n", caller(s.Process), p.InUse, most, p.Waited, p.WaitSum.Round(time.Millisecond))
	}
}

func writeRoute(w io.Writer, from, to string, r seen.Route) {
	if r.Calls == 0 && r.Pattern != "" {
		return
	}
	breaker, bulkhead, fell := "-", "-", "-"
	if b := r.Breaker; b != nil {
		breaker = b.State.String()
	}
	if b := r.Bulkhead; b != nil {
		bulkhead = fmt.Sprintf("%d of %d", b.InFlight, b.Max)
		if b.Waiting > 0 {
			bulkhead += fmt.Sprintf(", %d wait", b.Waiting)
		}
	}
	if f := r.Fallback; f != nil {
		fell = fmt.Sprint(f.LastGood + f.Func + f.Value)
	}
	var hedged uint64
	if r.Hedge != nil {
		hedged = r.Hedge.Second
	}
	_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", from, to, cmp.Or(r.Pattern, "*"),
		r.Calls, r.Failed, r.Attempts.All(), r.Retries.Repeat, r.Budget.Denied, hedged, breaker, bulkhead, fell)
}

func stateOf(i seen.Instance) string {
	if i.Suspect {
		return i.State + ", not reached"
	}
	return i.State
}

func known(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.Round(10 * time.Microsecond).String()
}

func left(until, now time.Time) string {
	if !until.After(now) {
		return "-"
	}
	return "for " + until.Sub(now).Round(time.Second).String()
}

// turned tells how many calls of which priorities were turned away.
func turned(a *admission.GateStats) string {
	var by []string
	for p := range resilience.Priority(resilience.Priorities) {
		var n uint64
		for _, m := range a.Shed[p] {
			n += m
		}
		if n > 0 {
			by = append(by, fmt.Sprintf("%d %s", n, p))
		}
	}
	return cmp.Or(strings.Join(by, ", "), "0")
}
