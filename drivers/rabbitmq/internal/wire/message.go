package wire

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/musterdev/muster/bus"
)

// attributePrefix is what CloudEvents' AMQP binding, binary mode, puts before the names
// of attributes among the application properties, which AMQP 0.9.1 calls headers. The
// content type is a property of its own.
const (
	attributePrefix = "cloudEvents_"
	contentType     = "datacontenttype"
)

// The headers of the bus's own.
const (
	headerStored = "muster-stored"   // when it was published, in milliseconds of Unix time
	HeaderMark   = "muster-mark"     // it is no event but a mark: see lane.mark
	headerOffset = "x-stream-offset" // the server's
)

// Encode writes a message.
func Encode(m bus.Msg, now time.Time) amqp.Publishing {
	attributes := m.Attributes()
	header := make(amqp.Table, len(attributes)+1)
	for name, value := range attributes {
		if name != contentType {
			header[attributePrefix+name] = value
		}
	}
	header[headerStored] = now.UnixMilli()
	return amqp.Publishing{
		Headers: header, ContentType: m.ContentType, DeliveryMode: amqp.Persistent, MessageId: m.ID, Body: m.Data,
	}
}

// Decode reads a message of a stream.
func Decode(d amqp.Delivery) (m bus.Msg, stored time.Time, err error) {
	attributes := make(map[string]string, len(d.Headers)+1)
	for name, value := range d.Headers {
		if attribute, ok := strings.CutPrefix(name, attributePrefix); ok {
			text, ok := value.(string)
			if !ok {
				return m, stored, fmt.Errorf("its attribute %s is no text but a %T", attribute, value)
			}
			attributes[attribute] = text
		}
	}
	if d.ContentType != "" {
		attributes[contentType] = d.ContentType
	}
	if at, ok := d.Headers[headerStored].(int64); ok {
		stored = time.UnixMilli(at)
	}
	m, err = bus.FromAttributes(attributes, d.Body)
	return m, stored, err
}

// OffsetOf returns a message's place in its stream.
func OffsetOf(d amqp.Delivery) int64 {
	offset, _ := d.Headers[headerOffset].(int64) // the server gives every one its own
	return offset
}

// OwnerOf returns the first segment of a topic or pattern, which names its streams.
func OwnerOf(topic string) string {
	owner, _, _ := strings.Cut(topic, ".")
	return owner
}

// QueuePrefix is what the names of all of the bus's queues begin with.
const QueuePrefix = "muster."

// StreamOf returns the name of the stream of a lane.
func StreamOf(owner string, lane int) string {
	return QueuePrefix + owner + "." + strconv.Itoa(lane)
}

// PlaceOf returns the name of the queue that holds a group's place in a lane.
func PlaceOf(owner string, lane int, group string) string {
	return StreamOf(owner, lane) + "." + group
}

// CrowdOf returns the name of the queue whose consumers are the group's members.
func CrowdOf(owner, group string) string { return QueuePrefix + owner + ".members." + group }
