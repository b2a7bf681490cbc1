package bus

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

// SpecVersion is the version of CloudEvents that messages are written in.
const SpecVersion = "1.0"

// The names that the attributes of a message have in every CloudEvents binding.
const (
	attrID          = "id"
	attrSource      = "source"
	attrType        = "type"
	attrSpecVersion = "specversion"
	attrSubject     = "subject"
	attrTime        = "time"
	attrContentType = "datacontenttype"
	attrSchema      = "dataschema"
	attrKey         = "partitionkey" // extension "Partitioning"
	attrNotBefore   = "notbefore"    // Muster's own
	attrSequence    = "sequence"     // extension "Sequence"
	attrCausation   = "causationid"  // Muster's own, as the next
	attrCorrelation = "correlationid"
	attrTraceParent = "traceparent" // extension "Distributed Tracing"
	attrTraceState  = "tracestate"
	attrData        = "data" // not an attribute, and no extension may be called so
)

// text is an attribute that is plain text, and where it is kept.
type text struct {
	name  string
	value *string
}

// texts returns where the attributes of a message that are plain text are kept. It is an array, for a map
// would be made for each message several times.
func texts(m *Msg) [12]text {
	return [...]text{
		{attrID, &m.ID},
		{attrSource, &m.Source},
		{attrType, &m.Topic},
		{attrSubject, &m.Subject},
		{attrContentType, &m.ContentType},
		{attrSchema, &m.Schema},
		{attrKey, &m.Key},
		{attrSequence, &m.Sequence},
		{attrCausation, &m.Causation},
		{attrCorrelation, &m.Correlation},
		{attrTraceParent, &m.TraceParent},
		{attrTraceState, &m.TraceState},
	}
}

// find returns where the text of that name is kept, nil for none.
func find(kept *[12]text, name string) *string {
	for i := range kept {
		if kept[i].name == name {
			return kept[i].value
		}
	}
	return nil
}

// isAttribute reports whether a name is one of a field of Msg, or CloudEvents' own.
func isAttribute(name string) bool {
	switch name {
	case attrSpecVersion, attrTime, attrNotBefore, attrData, "data_base64", "database64":
		return true
	}
	kept := texts(new(Msg))
	return find(&kept, name) != nil
}

// Attributes returns the CloudEvents attributes of a message, which are what every
// binding writes beside the data: lower-case names without a prefix, times as in RFC
// 3339. What is empty is left out. The map is the caller's.
func (m Msg) Attributes() map[string]string {
	all := map[string]string{attrSpecVersion: SpecVersion}
	for _, t := range texts(&m) {
		if *t.value != "" {
			all[t.name] = *t.value
		}
	}
	if !m.Time.IsZero() {
		all[attrTime] = m.Time.UTC().Format(time.RFC3339Nano)
	}
	if !m.NotBefore.IsZero() {
		all[attrNotBefore] = m.NotBefore.UTC().Format(time.RFC3339Nano)
	}
	maps.Copy(all, m.Extensions)
	return all
}

// FromAttributes returns the message that has these attributes, as Attributes writes
// them, and data, which it keeps. Times come back in UTC. What is missing or malformed
// is refused as [Msg.Validate] does, an unknown specversion too.
func FromAttributes(attributes map[string]string, data []byte) (Msg, error) {
	m := Msg{Data: data}
	switch v, ok := attributes[attrSpecVersion]; {
	case !ok:
		return Msg{}, invalid(attrSpecVersion, "it is missing: it is 1.0")
	case v != SpecVersion:
		return Msg{}, invalid(attrSpecVersion, "%.20q is not known: it is 1.0", v)
	}
	kept := texts(&m)
	for name, value := range attributes {
		switch name {
		case attrSpecVersion:
		case attrTime, attrNotBefore:
			t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(value))
			if err != nil {
				return Msg{}, invalid(name, "%.40q is no time as in RFC 3339, such as 2026-11-23T09:30:00Z", value)
			}
			if name == attrTime {
				m.Time = t.UTC()
			} else {
				m.NotBefore = t.UTC()
			}
		default:
			if kept := find(&kept, name); kept != nil {
				*kept = value
				continue
			}
			if m.Extensions == nil {
				m.Extensions = map[string]string{}
			}
			m.Extensions[name] = value
		}
	}
	if _, ok := attributes[attrType]; !ok {
		return Msg{}, invalid(attrType, "it is missing: it is the topic, such as orders.placed")
	}
	if err := m.Validate(); err != nil {
		return Msg{}, err
	}
	return m, nil
}

// bytes writes a size for a reader.
func bytes(n int) string { return fmt.Sprintf("%d bytes", n) }
