package ops

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
)

func columns(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// WriteStatus writes what runs, for people.
func WriteStatus(out io.Writer, st supervise.Status) error {
	w := columns(out)
	_, _ = fmt.Fprintln(w, "INSTANCE\tSTATE\tPID\tPORT\tGRPC\tUPTIME\tRESTARTS\tLAST EXIT")
	number := func(n int) string {
		if n == 0 {
			return "-"
		}
		return strconv.Itoa(n)
	}
	row := func(i instance.Status) {
		up := time.Duration(float64(i.Uptime) * float64(time.Second)).Round(time.Second)
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", i.ID, i.Phase, number(i.PID), number(i.Port), number(i.GRPCPort), up, i.Restarts, i.LastExit)
	}
	for _, e := range st.Engines {
		row(e)
	}
	for _, s := range st.Services {
		for _, i := range s.Instances {
			row(i)
		}
		if s.Ready < s.Want || s.Trouble != "" {
			_, _ = fmt.Fprintf(w, "%s\t%d of %d ready\t\t\t\t\t\t%s\n", s.Name, s.Ready, s.Want, s.Trouble)
		}
	}
	return w.Flush()
}

// WriteSagas writes what Sagas returned, for people.
func WriteSagas(out io.Writer, list []Saga, all int64) error {
	w := columns(out)
	_, _ = fmt.Fprintln(w, "SERVICE\tSAGA\tSTATE\tSTEP\tATTEMPTS\tCHANGED\tWHY")
	for _, s := range list {
		_, _ = fmt.Fprintf(w, "%s\t%s/%s\t%s\t%s\t%d\t%s ago\t%s\n", s.Service, s.Name, s.ID, StateOf(s.Entry), s.Step, s.Attempts,
			ago(s.Updated), short(cmp.Or(s.Error, s.Reason), 60))
	}
	if more := all - int64(len(list)); more > 0 {
		_, _ = fmt.Fprintf(w, "%d more: choose with --state and --name, or show more with --limit\n", more)
	}
	return w.Flush()
}

// StateOf is a saga's state in words for people.
func StateOf(e saga.Entry) string {
	switch {
	case !e.Loadable:
		return fmt.Sprintf("%s, version %d is not known here", e.State, e.Version)
	case e.Undoing && e.State != saga.Compensating && e.State != saga.Compensated:
		return string(e.State) + ", undoing"
	}
	return string(e.State)
}

func ago(t time.Time) time.Duration { return max(0, time.Since(t)).Round(time.Second) }

// short is the beginning of a message, at most so many characters, for a table.
func short(s string, most int) string {
	line, _, cut := strings.Cut(s, "\n")
	if r := []rune(line); len(r) > most {
		line, cut = string(r[:most]), true
	}
	if cut {
		line += "…"
	}
	return line
}

// WriteSaga writes a saga with its data and its history, for people.
func WriteSaga(out io.Writer, d SagaDetail) error {
	w := columns(out)
	line := func(what, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", what, fmt.Sprintf(format, args...))
	}
	line("saga", "%s/%s, version %d", d.Name, d.ID, d.Version)
	line("service", "%s", d.Service)
	line("state", "%s", StateOf(d.Entry))
	line("step", "%s", d.Step)
	line("attempts", "%d", d.Attempts)
	line("seq", "%d", d.Seq)
	if d.Doubt {
		line("doubt", "an attempt of the step may have had an effect")
	}
	if d.Reason != "" {
		line("reason", "%s", d.Reason)
	}
	if d.Error != "" {
		line("error", "%s", strings.ReplaceAll(d.Error, "\n", "\n\t"))
	}
	if d.Owner != "" {
		line("held by", "%s until %s", d.Owner, clock(d.LeasedUntil))
	}
	if !d.NextAt.IsZero() {
		line("next try", "%s", clock(d.NextAt))
	}
	line("began", "%s", clock(d.Created))
	line("changed", "%s", clock(d.Updated))
	var data strings.Builder
	e := json.NewEncoder(&data)
	e.SetIndent("\t", "  ")
	if err := e.Encode(d.Data); err != nil {
		return err
	}
	line("data", "%s", strings.TrimSpace(data.String()))
	_, _ = fmt.Fprintln(w)
	_, _ = fmt.Fprintln(w, "AT\tSTEP\t\tOUTCOME\tWHY")
	for _, h := range d.History {
		why := h.Error
		if h.By != "" {
			why = h.By + ": " + h.Why
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", clock(h.At), h.Step, h.Direction, h.Outcome, short(why, 60))
	}
	return w.Flush()
}

func clock(t time.Time) string { return t.Local().Format("15:04:05.000 2006-01-02") }

// WriteTopics writes topics, for people.
func WriteTopics(out io.Writer, list []bus.TopicInfo) error {
	w := columns(out)
	_, _ = fmt.Fprintln(w, "TOPIC\tMESSAGES\tLAST")
	for _, topic := range list {
		last := "-"
		if !topic.Last.IsZero() {
			last = ago(topic.Last).String() + " ago"
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\n", topic.Name, topic.Messages, last)
	}
	return w.Flush()
}
