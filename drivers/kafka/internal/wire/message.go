// Package wire is what the bus writes into Kafka and reads from it: messages, the place
// of a group in a lane, and what members of a group tell each other.
package wire

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/musterdev/muster/bus"
)

// attributePrefix is what CloudEvents' Kafka binding, binary mode, puts before the names
// of attributes among a record's headers. The content type is a header of its own.
const (
	attributePrefix   = "ce_"
	contentType       = "datacontenttype"
	headerContentType = "content-type"
)

// Prefix is what the names of all of the bus's topics and groups begin with.
const Prefix = "muster."

// OwnerOf returns the first segment of a topic or pattern, which names its log.
func OwnerOf(topic string) string {
	owner, _, _ := strings.Cut(topic, ".")
	return owner
}

// LogOf returns the name of the Kafka topic that keeps an owner's messages.
func LogOf(owner string) string { return Prefix + owner }

// GroupOf returns the name of the consumer group of a group's members in an owner's log.
func GroupOf(owner, group string) string { return Prefix + owner + "." + group }

// Encode writes a message into a lane. Its data is copied: the client keeps it.
func Encode(m bus.Msg, lanes int) *kgo.Record {
	attributes := m.Attributes()
	r := &kgo.Record{
		Topic: LogOf(OwnerOf(m.Topic)), Partition: int32(bus.Lane(m, lanes)), //nolint:gosec // lanes are few
		Value: append([]byte{}, m.Data...), Headers: make([]kgo.RecordHeader, 0, len(attributes)),
	}
	if m.Key != "" {
		r.Key = []byte(m.Key)
	}
	for name, value := range attributes {
		key := attributePrefix + name
		if name == contentType {
			key = headerContentType
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	return r
}

// Decode reads a record.
func Decode(r *kgo.Record) (bus.Msg, error) {
	attributes := make(map[string]string, len(r.Headers))
	for _, h := range r.Headers {
		if name, ok := strings.CutPrefix(h.Key, attributePrefix); ok {
			attributes[name] = string(h.Value)
		} else if h.Key == headerContentType {
			attributes[contentType] = string(h.Value)
		}
	}
	return bus.FromAttributes(attributes, r.Value)
}

// TopicOf returns the topic of a record, "" where it has none.
func TopicOf(r *kgo.Record) string {
	for _, h := range r.Headers {
		if h.Key == attributePrefix+"type" {
			return string(h.Value)
		}
	}
	return ""
}
