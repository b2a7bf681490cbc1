package diagnose

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// Took writes milliseconds for people, with two to three digits that count: 120 µs,
// 4.2 ms, 420 ms, 4.62 s, 2 min 5 s.
func Took(ms float64) string {
	switch {
	case math.IsNaN(ms) || math.IsInf(ms, 0):
		return "?"
	case ms < 0:
		return "-" + Took(-ms)
	case ms == 0:
		return "0 ms"
	case ms < 0.9995:
		return strconv.FormatFloat(ms*1000, 'f', 0, 64) + " µs"
	case ms < 9.95:
		return strings.TrimSuffix(strconv.FormatFloat(ms, 'f', 1, 64), ".0") + " ms"
	case ms < 999.5:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	case ms < 9995:
		return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(ms/1000, 'f', 2, 64), "0"), ".") + " s"
	case ms < 59_950:
		return strings.TrimSuffix(strconv.FormatFloat(ms/1000, 'f', 1, 64), ".0") + " s"
	}
	seconds := math.Round(ms / 1000)
	minutes := math.Floor(seconds / 60)
	if seconds -= 60 * minutes; seconds == 0 {
		return strconv.FormatFloat(minutes, 'f', 0, 64) + " min"
	}
	return strconv.FormatFloat(minutes, 'f', 0, 64) + " min " + strconv.FormatFloat(seconds, 'f', 0, 64) + " s"
}

// words say one cause: how long, where, and what is usual.
func (a *Answer) words(c Cause, s *share, r *again) string {
	text := fmt.Sprintf("%s were spent %s%s", Took(c.Critical), where(s.longest), a.usually(c))
	if r != nil {
		text += "; " + r.words()
		if a.Enough {
			text += fmt.Sprintf(" (%d times in all, usually %s)", c.Spans, strconv.FormatFloat(c.Usually, 'f', -1, 64))
		}
	}
	return text + "."
}

// usually tells what is usual of a cause, as the end of a sentence.
func (a *Answer) usually(c Cause) string {
	switch {
	case !a.Enough:
		return ""
	case c.Usually == 0:
		return ", which is not usually done at all"
	case c.Usual == 0:
		return ", which usually keeps nobody waiting"
	case c.Excess > 0 && c.Critical > 1.2*c.Usual:
		return ", which usually takes " + Took(c.Usual)
	}
	return ", as usual"
}

func (r *again) words() string {
	return fmt.Sprintf("%s asks the same %d times in one %s", r.asker.Service, r.times, r.asker.Name)
}

// where says in whose hands the time of a span is: "in card: POST /v1/charges".
func where(n *tree.Node) string {
	switch n.Kind {
	case signal.Client:
		if callee := below(n); callee != "" {
			return fmt.Sprintf("between %s and %s (%s): on the way, or before %s took it on", n.Service, callee, n.Name, callee)
		}
		if system := first(n, "db.system.name", "db.system"); system != "" {
			return fmt.Sprintf("by %s waiting for its database: %s", n.Service, statement(n))
		}
		if peer := first(n, peers...); peer != "" {
			return fmt.Sprintf("by %s waiting for %s: %s", n.Service, peer, n.Name)
		}
		return fmt.Sprintf("by %s waiting for an answer: %s", n.Service, n.Name)
	case signal.Producer:
		return fmt.Sprintf("by %s sending a message: %s", n.Service, n.Name)
	default:
		return "in " + name(n)
	}
}

// statement is what a database was asked, for a sentence: in full where it is short, else
// the name of the span where that says more than a word, such as INSERT orders.
func statement(n *tree.Node) string {
	text := brief(detail(n))
	if text == "" || utf8.RuneCountInString(text) > 60 && strings.Contains(n.Name, " ") {
		return n.Name
	}
	return text
}

func name(n *tree.Node) string { return n.Service + ": " + n.Name }

// below returns the service that took a client's call on and told of it.
func below(n *tree.Node) string {
	for _, c := range n.Children {
		if c.Service != n.Service && c.Kind == signal.Server {
			return c.Service
		}
	}
	return ""
}

// The attributes of OpenTelemetry's semantic conventions, old names after new ones.
var (
	statements = []string{"db.query.text", "db.statement"}
	peers      = []string{"peer.service", "server.address", "net.peer.name"}
	details    = append(statements[:2:2], "url.full", "http.url", "messaging.destination.name", "url.path", "http.target", "rpc.method")
)

// detail returns what a span was about: a statement, a URL, a topic.
func detail(n *tree.Node) string {
	return first(n, details...)
}

func first(n *tree.Node, keys ...string) string {
	for _, key := range keys {
		if text := n.Attributes.Text(key); text != "" {
			return text
		}
	}
	return ""
}

// brief is a text in one line of at most 120 characters.
func brief(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 120 {
		return string(r[:119]) + "…"
	}
	return s
}
