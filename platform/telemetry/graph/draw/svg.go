// Package draw shows the map of who calls whom: as a drawing, or as text.
package draw

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"unicode/utf8"

	"github.com/musterdev/muster/platform/telemetry/graph"
)

// Theme is the colours of a drawing.
type Theme string

// The themes. Auto, and what is none of them, follows what the reader's system prefers.
const (
	Auto  Theme = "auto"
	Light Theme = "light"
	Dark  Theme = "dark"
)

const (
	lightColours = "svg{--back:#fff;--box:#f7f8fa;--line:#c9ced6;--text:#16191d;--soft:#59616c;--call:#6b7480;--event:#7048c6;--query:#7d8793;--bad:#c62828;--user:#2f6fdb}\n"
	darkColours  = "svg{--back:#111418;--box:#1a1f26;--line:#39414c;--text:#e8ebef;--soft:#a2abb8;--call:#8b95a3;--event:#b394f4;--query:#77818e;--bad:#ff6b6b;--user:#6ea2f7}\n"
	shapes       = `rect.back{fill:var(--back)}
.node rect{fill:var(--box);stroke:var(--line)}
.external rect{stroke-dasharray:4 3}.database rect{rx:2px;stroke-width:2}.user rect{stroke:var(--user);rx:27px}
text{font:12px Inter,system-ui,sans-serif;fill:var(--soft);text-anchor:middle}
.node .name{font-weight:600;font-size:13px;fill:var(--text)}
.edge path{fill:none;stroke:var(--call);stroke-width:1.5}
.event path{stroke:var(--event);stroke-dasharray:6 4}.query path{stroke:var(--query);stroke-dasharray:2 3}
.edge text{font-size:11px;paint-order:stroke;stroke:var(--back);stroke-width:4px}
.event text{fill:var(--event)}
.bad path{stroke:var(--bad)}.node.bad rect{stroke:var(--bad);stroke-width:2}.bad text{fill:var(--bad)}
.tip-call{fill:var(--call)}.tip-event{fill:var(--event)}.tip-query{fill:var(--query)}.tip-bad{fill:var(--bad)}
`
)

// bad is from which share of failures on a node or edge is drawn as one that fails.
const bad = 0.05

// SVG draws a map: those who call left of those who are called, with a title and a
// description for readers that do not see it, and the figures of each node and edge in a
// title of its own. It is a whole document, which runs no script and loads nothing.
func SVG(m graph.Map, theme Theme) []byte {
	p := Layout(m)
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img" aria-labelledby="title desc">`+"\n",
		p.Width, p.Height, p.Width, p.Height)
	_, _ = fmt.Fprintf(&b, "<title id=\"title\">Map of %d services and %d connections</title>\n<desc id=\"desc\">", len(m.Nodes), len(m.Edges))
	for _, e := range m.Edges {
		_, _ = fmt.Fprintf(&b, "%s %s %s. ", escape(e.From), verb(e.Kind), escape(e.To))
	}
	b.WriteString("</desc>\n<style>\n")
	switch theme {
	case Light:
		b.WriteString(lightColours)
	case Dark:
		b.WriteString(darkColours)
	default:
		b.WriteString(lightColours + "@media(prefers-color-scheme:dark){" + darkColours[:len(darkColours)-1] + "}\n")
	}
	b.WriteString(shapes + "</style>\n<defs>")
	for _, kind := range []string{"call", "event", "query", "bad"} {
		_, _ = fmt.Fprintf(&b, `<marker id="%s" class="tip-%s" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z"/></marker>`, kind, kind)
	}
	_, _ = fmt.Fprintf(&b, "</defs>\n<rect class=\"back\" width=\"%.0f\" height=\"%.0f\"/>\n", p.Width, p.Height)
	for _, e := range p.Edges {
		writeEdge(&b, e)
	}
	for _, n := range p.Nodes {
		writeNode(&b, n)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func verb(kind string) string {
	switch kind {
	case "event":
		return "sends events to"
	case "query":
		return "queries"
	}
	return "calls"
}

func writeNode(b *bytes.Buffer, n PlacedNode) {
	class := "service"
	switch n.Kind {
	case "user", "database", "external":
		class = n.Kind
	}
	said := n.Kind
	if n.Kind == "user" {
		said = "everybody outside"
	}
	if n.Rate > 0 {
		said = fmt.Sprintf("%s · %s · %s", perSecond(n.Rate), percent(n.Errors), took(n.P99))
		if n.Errors >= bad {
			class += " bad"
		}
	}
	_, _ = fmt.Fprintf(b, "<g class=\"node %s\"><title>%s, %s: %d in, %d out", class, escape(n.Name), escape(n.Kind), n.In, n.Out)
	if n.Rate > 0 {
		_, _ = fmt.Fprintf(b, "; %s, %s failed, p50 %s, p99 %s", perSecond(n.Rate), percent(n.Errors), took(n.P50), took(n.P99))
	}
	_, _ = fmt.Fprintf(b, "</title><rect x=\"%.1f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\" rx=\"8\"/>", n.X-boxWidth/2, n.Y-boxHeight/2, boxWidth, boxHeight)
	_, _ = fmt.Fprintf(b, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\">%s</text><text x=\"%.1f\" y=\"%.1f\">%s</text></g>\n",
		n.X, n.Y-3, escape(short(n.Name, 22)), n.X, n.Y+15, escape(said))
}

func writeEdge(b *bytes.Buffer, e PlacedEdge) {
	if len(e.Points) < 2 {
		return // one of its nodes is not in the map
	}
	class, tip := "call", "call"
	switch e.Kind {
	case "event", "query":
		class, tip = e.Kind, e.Kind
	}
	if e.Errors >= bad {
		class, tip = class+" bad", "bad"
	}
	_, _ = fmt.Fprintf(b, "<g class=\"edge %s\"><title>%s %s %s: %s, %s failed, p50 %s, p99 %s; %s</title><path marker-end=\"url(#%s)\" d=\"M%.1f %.1f", class,
		escape(e.From), verb(e.Kind), escape(e.To), perSecond(e.Rate), percent(e.Errors), took(e.P50), took(e.P99), escape(labels(e.Edge, len(e.Labels))),
		tip, e.Points[0].X, e.Points[0].Y)
	if e.From == e.To {
		for _, p := range e.Points[1:] {
			_, _ = fmt.Fprintf(b, "L%.1f %.1f", p.X, p.Y)
		}
	} else {
		for i, p := range e.Points[1:] {
			middle := (e.Points[i].X + p.X) / 2
			_, _ = fmt.Fprintf(b, "C%.1f %.1f %.1f %.1f %.1f %.1f", middle, e.Points[i].Y, middle, p.Y, p.X, p.Y)
		}
	}
	text := perSecond(e.Rate)
	if e.Kind == "event" && len(e.Labels) > 0 {
		text = short(e.Labels[0], 20)
		if more := len(e.Labels) - 1; more > 0 {
			text = fmt.Sprintf("%s +%d", short(e.Labels[0], 16), more)
		}
	}
	// Three quarters of the way: where many edges begin, they are apart by then.
	last, before := e.Points[len(e.Points)-1], e.Points[len(e.Points)-2]
	at := Point{last.X*0.64 + before.X*0.36, last.Y*0.8 + before.Y*0.2}
	_, _ = fmt.Fprintf(b, "\"/><text x=\"%.1f\" y=\"%.1f\">%s</text></g>\n", at.X, at.Y-3, escape(text))
}

// short cuts a text that is too long to be read in its place; the title has all of it.
func short(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// escape makes a text fit for XML; what XML cannot say becomes U+FFFD.
func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes all
	return b.String()
}
