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
		header[attributePrefix+name] = []string{bus.Escape(value)}
	}
	header[headerID] = []string{m.Source + " " + m.ID} // neither has a space
	return &natsgo.Msg{Subject: subjectOf(m.Topic, lane), Header: header, Data: m.Data}
}

// decode reads a message of a stream.
func decode(m *natsgo.Msg) (bus.Msg, error) {
	attributes := make(map[string]string, len(m.Header))
	for name, values := range m.Header {
		if attribute, ok := strings.CutPrefix(name, attributePrefix); ok && len(values) > 0 {
			attributes[attribute] = bus.Unescape(values[0])
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
