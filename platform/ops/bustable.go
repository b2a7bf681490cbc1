package ops

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/problem"
)

// WriteLag writes what Lag returned, for people: the outboxes below the groups. Of the
// groups there is what is known: when the broker did not answer, those that have
// messages parked.
func WriteLag(out io.Writer, l Lag) error {
	w := columns(out)
	if l.Groups != nil || len(l.Parked) > 0 {
		_, _ = fmt.Fprintln(w, "GROUP\tBEHIND\tOUT\tOLDEST\tPARKED\tDEAD\tTOPICS")
	}
	parked := map[string]Count{}
	for _, c := range l.Parked { // one group has one keeper, but for the time of a change
		sum := parked[c.Group]
		sum.Waiting, sum.Dead = sum.Waiting+c.Waiting, sum.Dead+c.Dead
		sum.Oldest, sum.Attempts = max(sum.Oldest, c.Oldest), max(sum.Attempts, c.Attempts)
		parked[c.Group] = sum
	}
	for _, g := range l.Groups {
		waiting, dead := "-", "-" // nobody told
		if c, ok := parked[g.Name]; ok {
			waiting, dead = waits(c), strconv.FormatInt(c.Dead, 10)
		}
		delete(parked, g.Name)
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\n", g.Name, g.Lag, g.Pending, g.Oldest.Round(time.Millisecond), waiting, dead, strings.Join(g.Topics, " "))
	}
	for _, c := range l.Parked {
		if sum, ok := parked[c.Group]; ok { // that the broker did not tell of
			_, _ = fmt.Fprintf(w, "%s\t-\t-\t-\t%s\t%d\t-\n", c.Group, waits(sum), sum.Dead)
			delete(parked, c.Group)
		}
	}
	if len(l.Outboxes) == 0 {
		return w.Flush()
	}
	if l.Groups != nil || len(l.Parked) > 0 {
		_, _ = fmt.Fprintln(w)
	}
	head, byLog := "OUTBOX OF\tWAITING\tREFUSED\tOLDEST", slices.ContainsFunc(l.Outboxes, func(o Outbox) bool { return o.Log != nil })
	if byLog {
		head += "\tLOG"
	}
	_, _ = fmt.Fprintln(w, head)
	var losses []string
	for _, o := range l.Outboxes {
		refused := strconv.Itoa(len(o.Refused))
		if o.More {
			refused += " or more"
		}
		oldest := time.Duration(o.Oldest * float64(time.Second)).Round(time.Millisecond)
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s", o.Service, o.Waiting, refused, oldest)
		if byLog {
			_, _ = fmt.Fprint(w, "\t"+logOf(o.Log))
		}
		_, _ = fmt.Fprintln(w)
		if o.Log != nil && o.Log.Lost != "" {
			losses = append(losses, fmt.Sprintf("%s publishes nothing, and may have lost events: %s\n"+
				"  find out which were not told, and let it go on by muster bus accept %[1]s --why TEXT\n", o.Service, said(o.Log.Lost)))
		}
	}
	if err := w.Flush(); err != nil || len(losses) == 0 {
		return err
	}
	_, err := io.WriteString(out, "\n"+strings.Join(losses, ""))
	return err
}

// logOf is how far the reader of a database's log is behind, and what is wrong with it.
func logOf(l *outbox.Log) string {
	switch {
	case l == nil:
		return "-"
	case l.Lost != "":
		return "LOST"
	}
	told := fmt.Sprintf("%.1f MB behind", float64(l.Bytes)/1e6)
	if l.State != "reserved" { // the server may give it up soon, or has done so
		told += ", the slot is " + l.State
	}
	if !l.Active {
		told += ", nobody reads it"
	}
	return told
}

// waits is how many messages are parked and wait, and how the worst of them fares.
func waits(c Count) string {
	if c.Waiting == 0 {
		return "0"
	}
	tries := strconv.Itoa(c.Attempts) + " tries"
	switch c.Attempts {
	case 0:
		tries = "not tried"
	case 1:
		tries = "1 try"
	}
	return fmt.Sprintf("%d (%s, %s)", c.Waiting, time.Duration(c.Oldest*float64(time.Second)).Round(time.Second), tries)
}

// WriteDead writes what Dead returned, for people.
func WriteDead(out io.Writer, list []Parked, more bool) error {
	w := columns(out)
	_, _ = fmt.Fprintln(w, "ID\tGROUP\tTOPIC\tKEY\tATTEMPTS\tSINCE\tERROR")
	for _, p := range list {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s ago\t%s\n", p.Name(), cmp.Or(p.Group, "-"), p.Topic, cmp.Or(p.Key, "-"), attempts(p),
			ago(p.Entry.Parked), short(said(p.Error), width(out)))
	}
	if more {
		_, _ = fmt.Fprintln(w, "there are more: redrive or discard these first, or choose with --group")
	}
	return w.Flush()
}

// WriteParked writes what Parked returned, for people.
func WriteParked(out io.Writer, list []Parked, more bool) error {
	w := columns(out)
	_, _ = fmt.Fprintln(w, "ID\tGROUP\tTOPIC\tKEY\tATTEMPTS\tSINCE\tNEXT TRY\tERROR")
	first := map[[3]string]string{} // of each key: what the later ones wait for
	for _, p := range list {
		next := nextTry(p)
		if key := [3]string{p.Service, p.Group, p.Key}; p.Key != "" && p.Group != "" {
			if before := first[key]; before == "" {
				first[key] = p.Name()
			} else if !p.Dead {
				next = "after " + before
			}
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s ago\t%s\t%s\n", p.Name(), cmp.Or(p.Group, "-"), p.Topic, cmp.Or(p.Key, "-"), attempts(p),
			ago(p.Entry.Parked), next, short(said(p.Error), width(out)))
	}
	if more {
		_, _ = fmt.Fprintln(w, "there are more: choose with --group")
	}
	return w.Flush()
}

func nextTry(p Parked) string {
	switch wait := time.Until(p.Next).Round(time.Second); {
	case p.Dead:
		return "none, dead"
	case p.Trying:
		return "now"
	case wait > 0:
		return "in " + wait.String()
	}
	return "due"
}

func attempts(p Parked) string {
	if p.Group == "" {
		return "-" // nobody got it
	}
	return strconv.Itoa(p.Attempts)
}

// width is how many characters of an error are shown: more where no screen breaks them.
func width(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return 200
		}
	}
	return 1000
}

// What the broker says of a POST that was answered with an error, and what package
// problem says of an answer that is no problem.
var (
	posted  = regexp.MustCompile(`^POST to \S+ answered (\d{3}): `)
	foreign = regexp.MustCompile(`^the service called answered \d{3}[^:]*: [A-Z]+ \S+: \d{3}, body (".*")$`)
)

// said is an error's text for people: of an event that was posted, first what the
// program answered.
func said(text string) string {
	m := posted.FindStringSubmatch(text)
	if m == nil {
		return withoutCodes(text)
	}
	answer := withoutCodes(text[len(m[0]):])
	if body := foreign.FindStringSubmatch(answer); body != nil {
		if own, err := strconv.Unquote(body[1]); err == nil {
			answer = own
		}
	}
	if answer == "" {
		return "answered " + m[1] + " without a word"
	}
	return answer + " (answered " + m[1] + ")"
}

// withoutCodes is an error's text without the codes in it, which are for programs.
func withoutCodes(text string) string {
	var said []string
	for rest := text; ; {
		part, after, more := strings.Cut(rest, ": ")
		if !more || !slices.Contains(problem.Codes(), problem.Code(part)) {
			said = append(said, part)
		}
		if !more {
			return strings.Join(said, ": ")
		}
		rest = after
	}
}
