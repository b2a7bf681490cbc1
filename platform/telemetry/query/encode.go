package query

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// appendSpan appends what json.Marshal would make of a Span, some ten times as fast;
// the tests compare the two.
func appendSpan(b []byte, n *tree.Node, linkedBy []Link) []byte {
	b = appendSpanID(append(b, `{"id":`...), n.ID)
	b = appendSpanID(append(b, `,"parent":`...), n.Parent)
	b = strconv.AppendInt(append(b, `,"depth":`...), int64(n.Depth), 10)
	if n.Missing {
		b = append(b, `,"missing":true`...)
	}
	b = appendText(append(b, `,"service":`...), n.Service)
	b = appendText(append(b, `,"name":`...), n.Name)
	b = appendText(append(b, `,"kind":`...), n.Kind.String())
	if n.Status == signal.Error {
		b = append(b, `,"error":true`...)
	}
	if n.Message != "" {
		b = appendText(append(b, `,"message":`...), n.Message)
	}
	b = appendMS(append(b, `,"start":`...), n.Start)
	b = appendMS(append(b, `,"duration":`...), n.Duration)
	b = appendMS(append(b, `,"own":`...), n.Own)
	if n.Moved != 0 {
		b = appendMS(append(b, `,"moved":`...), n.Moved)
	}
	b = appendAttributes(append(b, `,"attributes":`...), n.Attributes)
	b = appendAttributes(append(b, `,"resource":`...), n.Resource)
	if n.Scope != "" {
		b = appendText(append(b, `,"scope":`...), n.Scope)
	}
	if len(n.Events) > 0 {
		b = append(b, `,"events":[`...)
		for i, e := range n.Events {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendMS(append(b, `{"time":`...), e.Time)
			b = appendText(append(b, `,"name":`...), e.Name)
			b = append(appendAttributes(append(b, `,"attributes":`...), e.Attributes), '}')
		}
		b = append(b, ']')
	}
	links := make([]Link, 0, len(n.Links))
	for _, l := range n.Links {
		links = append(links, Link{Trace: l.Trace, Span: l.Span})
	}
	b = appendLinks(b, `,"links":`, links)
	b = appendLinks(b, `,"linkedBy":`, linkedBy)
	return append(b, '}')
}

func appendLinks(b []byte, name string, links []Link) []byte {
	if len(links) == 0 {
		return b
	}
	b = append(append(b, name...), '[')
	for i, l := range links {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"trace":"`...)
		if !l.Trace.IsZero() {
			b = hex.AppendEncode(b, l.Trace[:])
		}
		b = append(appendSpanID(append(b, `","span":`...), l.Span), '}')
	}
	return append(b, ']')
}

func appendSpanID(b []byte, id signal.SpanID) []byte {
	b = append(b, '"')
	if !id.IsZero() {
		b = hex.AppendEncode(b, id[:])
	}
	return append(b, '"')
}

// appendMS appends nanoseconds as milliseconds, exactly, with as many digits as it takes.
func appendMS(b []byte, ns int64) []byte {
	if ns < 0 {
		b, ns = append(b, '-'), -max(ns, -math.MaxInt64)
	}
	b = strconv.AppendInt(b, ns/1e6, 10)
	rest := ns % 1e6
	if rest == 0 {
		return b
	}
	b = append(b, '.')
	for unit := int64(1e5); rest > 0; unit /= 10 {
		b = append(b, "0123456789"[rest/unit])
		rest %= unit
	}
	return b
}

func appendAttributes(b []byte, attributes signal.Attributes) []byte {
	b = append(b, '{')
	first := true
	for i, a := range attributes {
		if repeated(attributes[:i], a.Key) {
			continue // the first counts
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendText(b, a.Key), ':')
		if a.Value.Type == signal.String {
			b = appendText(b, a.Value.Text)
			continue
		}
		value, err := a.Value.MarshalJSON()
		if err != nil {
			value = []byte("null")
		}
		b = append(b, value...)
	}
	return append(b, '}')
}

func repeated(before signal.Attributes, key string) bool {
	for i := range before {
		if before[i].Key == key {
			return true
		}
	}
	return false
}

// appendText appends a JSON text. What needs an escape goes the slow way.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c >= utf8.RuneSelf {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
