package nats

import (
	"fmt"
	"strings"

	natsgo "github.com/nats-io/nats.go"

	"github.com/musterdev/muster/bus"
)

// attributePrefix is what CloudEvents' NATS binding, binary mode, puts before the
// names of attributes. Unlike in HTTP, datacontenttype is one like the others.
const attributePrefix = "ce-"

// The headers of JetStream that are used.
const (
	headerID       = "Nats-Msg-Id"
	headerBatch    = "Nats-Batch-Id"
	headerSequence = "Nats-Batch-Sequence"
	headerCommit   = "Nats-Batch-Commit"
)

// encode writes a message for a lane.
func encode(m bus.Msg, lane int) *natsgo.Msg {
	attributes := m.Attributes()
	header := make(natsgo.Header, len(attributes)+4)
	for name, value := range attributes {
		header[attributePrefix+name] = []string{escape(value)}
	}
	header[headerID] = []string{m.Source + " " + m.ID} // neither has a space
	return &natsgo.Msg{Subject: subjectOf(m.Topic, lane), Header: header, Data: m.Data}
}

// decode reads a message of a stream.
func decode(m *natsgo.Msg) (bus.Msg, error) {
	attributes := make(map[string]string, len(m.Header))
	for name, values := range m.Header {
		if attribute, ok := strings.CutPrefix(name, attributePrefix); ok && len(values) > 0 {
			attributes[attribute] = unescape(values[0])
		}
	}
	msg, err := bus.FromAttributes(attributes, m.Data)
	if err != nil {
		return bus.Msg{}, err
	}
	if topic, ok := topicOf(m.Subject); !ok || topic != msg.Topic {
		return bus.Msg{}, fmt.Errorf("its type %s does not belong to the subject %s", msg.Topic, m.Subject)
	}
	return msg, nil
}

// escape writes a header's value as CloudEvents does: what is no visible ASCII
// character, and space, " and %, as the %XX of its UTF-8 (HTTP Protocol Binding 1.0,
// section 3.1.3.2, which the NATS binding takes over).
func escape(s string) string {
	for i := range len(s) {
		if escaped(s[i]) {
			var b strings.Builder
			for i := range len(s) {
				if escaped(s[i]) {
					fmt.Fprintf(&b, "%%%02X", s[i])
				} else {
					b.WriteByte(s[i])
				}
			}
			return b.String()
		}
	}
	return s
}

func escaped(c byte) bool { return c <= ' ' || c > '~' || c == '"' || c == '%' }

// unescape is the reverse; a % that begins no escape stands for itself.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, low := digit(s[i+1]), digit(s[i+2])
			if high >= 0 && low >= 0 {
				b.WriteByte(byte(high<<4 | low)) //nolint:gosec // two hexadecimal digits
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
