package bus

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"mime"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// The media types that events are written in.
const (
	typeJSON     = "application/json"
	typeProtobuf = "application/protobuf"
)

// Msg returns a message with a new random ID and the time of now, that carries event.
// key is what it is ordered by. Trace, causation and correlation are taken from ctx:
// the message that is being handled is the cause. Source is left to whoever publishes
// it. What no broker would take is refused here, as [Msg.ValidateDraft] does, and so is
// an event that cannot be written.
func (t Topic[T]) Msg(ctx context.Context, key string, event T) (Msg, error) {
	m := Msg{ID: rand.Text(), Topic: t.Name, Key: key, Time: time.Now().UTC()}
	var err error
	if p, ok := any(event).(proto.Message); ok {
		m.ContentType = typeProtobuf
		m.Data, err = proto.Marshal(p)
	} else {
		m.ContentType = typeJSON
		m.Data, err = json.Marshal(event)
	}
	if err != nil {
		return Msg{}, invalid(attrData, "the event of %s cannot be written: %v", t.Name, err)
	}
	m = stamped(ctx, m)
	if err := m.ValidateDraft(); err != nil {
		return Msg{}, err
	}
	return m, nil
}

// stamped returns a message that says what led to it.
func stamped(ctx context.Context, m Msg) Msg {
	span := trace.SpanContextFromContext(ctx)
	if span.IsValid() {
		carrier := propagation.MapCarrier{}
		propagation.TraceContext{}.Inject(ctx, carrier)
		m.TraceParent = carrier.Get(attrTraceParent)
		if state := carrier.Get(attrTraceState); validText("", state, 1024) == nil {
			m.TraceState = state
		}
	}
	switch cause, ok := FromContext(ctx); {
	case ok && cause.Correlation != "":
		m.Causation, m.Correlation = cause.ID, cause.Correlation
	case ok:
		m.Causation, m.Correlation = cause.ID, cause.ID
	case span.HasTraceID():
		m.Correlation = span.TraceID().String()
	default:
		m.Correlation = m.ID
	}
	return m
}

// Decode returns the event that a message of this topic carries. Fields of JSON that T
// does not have are passed over, so that a publisher may add some. A message of another
// topic, of another media type, or with data that is no T is refused with [ErrInvalid].
func (t Topic[T]) Decode(m Msg) (T, error) {
	var event T
	if m.Topic != t.Name {
		return event, invalid(attrType, "it is %.100q, and what is expected is %s", m.Topic, t.Name)
	}
	media, _, err := mime.ParseMediaType(m.ContentType)
	asJSON := media == typeJSON || strings.HasSuffix(media, "+json") || m.ContentType == ""
	if err != nil && !asJSON {
		return event, invalid(attrContentType, "%.80q is no media type", m.ContentType)
	}
	p, isProto := any(event).(proto.Message)
	if isProto { // a pointer to a message, nil so far
		p = p.ProtoReflect().Type().New().Interface()
		event, _ = p.(T)
	}
	switch {
	case asJSON && isProto:
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(m.Data, p)
	case asJSON:
		err = json.Unmarshal(m.Data, &event)
	case media == typeProtobuf && isProto:
		err = proto.Unmarshal(m.Data, p)
	default:
		return event, invalid(attrContentType, "%.80q cannot be read as the event of %s", m.ContentType, t.Name)
	}
	if err != nil {
		return event, ErrInvalid.WithField(attrData, "it is no event of "+t.Name+": "+reason(err))
	}
	return event, nil
}

// reason returns the text of a decoder's error, with the offset where there is one.
func reason(err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return syntax.Error() + " at byte " + bytes(int(syntax.Offset))
	}
	return err.Error()
}
