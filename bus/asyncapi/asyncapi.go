// Package asyncapi describes the events that a service sends and receives, as an AsyncAPI
// 3.0 document made of the topics' Go types, as package rest makes OpenAPI of a
// handler's.
//
//	app.Handle(asyncapi.Path, asyncapi.Handler(asyncapi.Info{Title: "Orders", Version: "1.4.0"},
//		asyncapi.Sends(events.OrderConfirmed, "An order has been paid and is on its way."),
//		asyncapi.Receives(events.PaymentCaptured, "")))
//
// The same declarations make the same bytes. The schemas are those of package rest/openapi, of
// a protobuf message its .proto text. Source: AsyncAPI 3.0.0
// (https://www.asyncapi.com/docs/reference/specification/v3.0.0).
package asyncapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest/openapi"
)

// Version is the version of AsyncAPI that documents name.
const Version = "3.0.0"

// Path is where a service serves its document: operators and the command line look there.
const Path = "/.muster/asyncapi.json"

// Info tells what the document is of.
type Info struct {
	Title       string
	Version     string // of the events; empty means 0.0.0
	Description string
}

// Event is a topic that a service sends or receives: make it by [Sends] or [Receives].
type Event struct {
	topic  string
	action string // send, receive
	doc    string
	data   reflect.Type
	proto  proto.Message // nil: the data are JSON
}

// Sends declares that the service publishes a topic; doc says when, and may be empty.
func Sends[T any](t bus.Topic[T], doc string) Event { return declared(t, "send", doc) }

// Receives declares that the service handles a topic; doc says what it makes of it, and may
// be empty.
func Receives[T any](t bus.Topic[T], doc string) Event { return declared(t, "receive", doc) }

func declared[T any](t bus.Topic[T], action, doc string) Event {
	e := Event{topic: t.Name, action: action, doc: doc, data: reflect.TypeFor[T]()}
	var none T
	if p, ok := any(none).(proto.Message); ok { // nil, of a type that knows itself all the same
		e.proto = p
	}
	return e
}

// Document is an AsyncAPI document. It serves itself, and never changes.
type Document struct {
	text []byte
	err  error // of one made by Handler: there is no text
}

// Handler is [New] for who serves the document at once. What is wrong is the document's Err,
// by which App.Handle keeps the service from starting; each request is answered with 500 then.
func Handler(info Info, events ...Event) *Document {
	d, err := New(info, events...)
	if err != nil {
		return &Document{err: err}
	}
	return d
}

// Err returns what is wrong with what [Handler] was given.
func (d *Document) Err() error { return d.err }

// New returns the document of a service's events, or what is wrong with them: a topic's
// name, data that JSON has no form for, a topic that is sent, or received, twice or as
// two types.
func New(info Info, events ...Event) (*Document, error) {
	if info.Title == "" {
		return nil, errors.New("asyncapi: Info has no Title; an AsyncAPI document needs one")
	}
	d := document{AsyncAPI: Version, Info: infoObject{info.Title, cmp.Or(info.Version, "0.0.0"), info.Description}, ContentType: "application/json"}
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.action, b.action)) })
	var wrong []error
	var schemas openapi.Schemas
	for i, e := range events {
		if err := bus.ValidTopic(e.topic); err != nil {
			wrong = append(wrong, fmt.Errorf("asyncapi: %w", err))
			continue
		}
		if i > 0 && events[i-1].topic == e.topic {
			switch before := events[i-1]; {
			case before.data != e.data:
				wrong = append(wrong, fmt.Errorf("asyncapi: the topic %s carries %s and %s: declare one type", e.topic, before.data, e.data))
				continue
			case before.action == e.action:
				wrong = append(wrong, fmt.Errorf("asyncapi: the topic %s is declared twice (%s)", e.topic, e.action))
				continue
			}
		}
		if err := d.add(&schemas, e); err != nil {
			wrong = append(wrong, fmt.Errorf("asyncapi: the topic %s: %w", e.topic, err))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	d.Components.Schemas = append(schemas.Components(attributesName), openapi.Entry[*openapi.Schema]{Key: attributesName, Value: attributes()})
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("asyncapi: %w", err)
	}
	return &Document{text: append(text, '\n')}, nil
}

// add describes one event.
func (d *document) add(schemas *openapi.Schemas, e Event) error {
	if _, known := d.Channels.Get(e.topic); !known {
		m := message{Name: e.topic, Summary: "An event of the topic " + e.topic + ".", Headers: ref{"#/components/schemas/" + attributesName}}
		m.Correlation.Location = "$message.header#/correlationid"
		if e.proto != nil {
			m.ContentType = "application/protobuf"
			m.Payload = foreign{"application/vnd.google.protobuf;version=3", definition(e.proto.ProtoReflect().Descriptor())}
		} else {
			schema, err := schemas.Of(e.data, openapi.Output)
			if err != nil {
				return err
			}
			m.ContentType, m.Payload = "application/json", schema
		}
		d.Components.Messages.Set(e.topic, m)
		d.Channels.Set(e.topic, channel{Address: e.topic, Messages: openapi.Map[ref]{{Key: e.topic, Value: ref{"#/components/messages/" + e.topic}}}})
	}
	d.Operations.Set(e.action+"."+e.topic, operation{
		Action: e.action, Channel: ref{"#/channels/" + e.topic}, Summary: e.doc,
		Messages: []ref{{"#/channels/" + e.topic + "/messages/" + e.topic}},
	})
	return nil
}

// JSON returns the document. The bytes are the caller's.
func (d *Document) JSON() []byte { return slices.Clone(d.text) }

// ServeHTTP serves the document to GET and HEAD.
func (d *Document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		e := problem.New(problem.Unimplemented, "%s is not offered here; there are GET, HEAD", r.Method)
		e.Status = http.StatusMethodNotAllowed
		problem.Write(w, r, e)
		return
	}
	if d.err != nil {
		problem.Write(w, r, problem.Wrap(d.err, problem.Internal, "the events of this service are not declared rightly"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(d.text) // else the client is gone
}

// Topics lists what a document says that its service does: the topics that it sends and
// those that it receives, sorted. It reads any AsyncAPI 3 document that names the channels
// of its operations, and refuses what is none.
func Topics(text []byte) (sends, receives []string, err error) {
	var d struct {
		AsyncAPI string `json:"asyncapi"`
		Channels map[string]struct {
			Address string `json:"address"`
		} `json:"channels"`
		Operations map[string]struct {
			Action  string `json:"action"`
			Channel ref    `json:"channel"`
		} `json:"operations"`
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, nil, fmt.Errorf("asyncapi: it is no document: %w", err)
	}
	if !strings.HasPrefix(d.AsyncAPI, "3.") {
		return nil, nil, fmt.Errorf("asyncapi: it is no AsyncAPI 3 document: asyncapi is %.40q", d.AsyncAPI)
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for name, o := range d.Operations {
		key := unescape.Replace(strings.TrimPrefix(o.Channel.Ref, "#/channels/"))
		c, ok := d.Channels[key]
		if !ok {
			return nil, nil, fmt.Errorf("asyncapi: the operation %.100q names the channel %.100q, which the document does not have", name, o.Channel.Ref)
		}
		switch o.Action {
		case "send":
			sends = append(sends, c.Address)
		case "receive":
			receives = append(receives, c.Address)
		}
	}
	slices.Sort(sends)
	slices.Sort(receives)
	return slices.Compact(sends), slices.Compact(receives), nil
}
