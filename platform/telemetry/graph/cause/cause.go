// Package cause finds in recorded spans which event led to which: the choreography that no
// program has written down as a whole. An event that was published while another was
// handled says so itself, by the id of that (causationid); else it is due to the step of a
// saga, or the request, in which it was made.
package cause

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Span is what is looked at of a span.
type Span struct {
	ID, Parent signal.SpanID
	Service    string
	Name       string
	Kind       string // as package query names it: server, consumer, producer, ...
	Attributes signal.Attributes
}

// Link is that something led a service to publish events.
type Link struct {
	Cause   string   `json:"cause"`   // a topic; or a request, or a step of a saga; "" where it is not known
	Kind    string   `json:"kind"`    // of the cause: event, saga, request, unknown
	By      string   `json:"by"`      // the service that published
	Event   string   `json:"event"`   // the topic
	Count   int      `json:"count"`   // events, of those that were looked at; one that was published twice counts once
	Handled []string `json:"handled"` // the services that handled such events, sorted
}

// Causes learns from spans. Its zero value has learnt nothing; it is for one goroutine.
type Causes struct {
	published map[string]published       // by the id of the message
	topics    map[string]string          // of messages, by id
	handled   map[string]map[string]bool // services, by topic
}

type published struct {
	topic, by, cause string // cause: the id of a message
	within, kind     string // what it was made in, as far as its trace tells
}

// The attributes of spans of messages (OpenTelemetry's semantic conventions for messaging, and package bus's own).
const (
	messageID = "messaging.message.id"
	topicOf   = "messaging.destination.name"
	causeOf   = "muster.message.cause"
	sagaOf    = "muster.saga.name"
	stepOf    = "muster.saga.step"
)

// mostClimbed bounds the way up from an event; a ring of parents ends there.
const mostClimbed = 64

// Add takes in the spans of one trace, in any order.
func (c *Causes) Add(spans []Span) {
	if c.published == nil {
		c.published, c.topics, c.handled = map[string]published{}, map[string]string{}, map[string]map[string]bool{}
	}
	byID := make(map[signal.SpanID]*Span, len(spans))
	for i := range spans {
		byID[spans[i].ID] = &spans[i]
	}
	for i := range spans {
		s := &spans[i]
		id, topic := s.Attributes.Text(messageID), s.Attributes.Text(topicOf)
		if id == "" || topic == "" {
			continue
		}
		switch s.Kind {
		case "producer":
			within, kind := made(byID, s)
			c.published[id] = published{topic, s.Service, s.Attributes.Text(causeOf), within, kind}
			c.topics[id] = topic
		case "consumer":
			c.topics[id] = topic
			if c.handled[topic] == nil {
				c.handled[topic] = map[string]bool{}
			}
			c.handled[topic][s.Service] = true
		}
	}
}

// made finds what an event was made in: the nearest span above it that is one of these.
func made(byID map[signal.SpanID]*Span, s *Span) (name, kind string) {
	for range mostClimbed {
		above := byID[s.Parent]
		if above == nil {
			break
		}
		s = above
		switch saga := s.Attributes.Text(sagaOf); {
		case saga != "" && s.Attributes.Text(stepOf) != "" && s.Kind != "server":
			return "saga " + saga + "/" + s.Attributes.Text(stepOf), "saga"
		case s.Kind == "consumer" && s.Attributes.Text(topicOf) != "":
			return s.Attributes.Text(topicOf), "event"
		case s.Kind == "server":
			return s.Name, "request"
		}
	}
	return "", "unknown"
}

// Links returns what led to what, by cause, service and event.
func (c *Causes) Links() []Link {
	type key struct{ cause, kind, by, event string }
	counts := map[key]int{}
	for _, p := range c.published {
		k := key{p.within, p.kind, p.by, p.topic}
		if topic := c.topics[p.cause]; p.cause != "" && topic != "" {
			k.cause, k.kind = topic, "event"
		}
		counts[k]++
	}
	list := make([]Link, 0, len(counts))
	for k, n := range counts {
		list = append(list, Link{k.cause, k.kind, k.by, k.event, n, slices.Sorted(maps.Keys(c.handled[k.event]))})
	}
	slices.SortFunc(list, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.By, b.By), cmp.Compare(a.Event, b.Event))
	})
	return list
}

// Map is the links as a picture's nodes and edges: events, and what else led to some.
func Map(links []Link) (m graph.Map) {
	at := map[string]int{}
	node := func(name, kind string) string {
		if _, known := at[name]; !known {
			at[name] = len(m.Nodes)
			m.Nodes = append(m.Nodes, graph.Node{Name: name, Kind: kind})
		}
		return name
	}
	for _, l := range links {
		from := node(cmp.Or(l.Cause, "(unknown)"), map[bool]string{true: "service", false: "external"}[l.Kind == "event"])
		e := graph.Edge{From: from, To: node(l.Event, "service"), Kind: "event", Labels: []string{l.By}, Count: float64(l.Count)}
		m.Nodes[at[e.From]].Out++
		m.Nodes[at[e.To]].In++
		m.Edges = append(m.Edges, e)
	}
	slices.SortFunc(m.Nodes, func(a, b graph.Node) int { return cmp.Compare(a.Name, b.Name) })
	return m
}

// Text writes links for people.
func Text(links []Link) string {
	if len(links) == 0 {
		return "no event was published\n"
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "CAUSE\tLED\tTO PUBLISH\tTIMES\tHANDLED BY")
	for _, l := range links {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", cmp.Or(l.Cause, "-"), l.By, l.Event, l.Count, cmp.Or(strings.Join(l.Handled, " "), "-"))
	}
	_ = w.Flush() // into memory
	return b.String()
}
