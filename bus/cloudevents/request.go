package cloudevents

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/problem"
)

// What a request may hold at most.
const (
	MaxBatch = 1000    // events
	MaxBody  = 4 << 20 // bytes of a batch; the others are bounded by bus.MaxData
)

// The media types of the structured and of the batched mode.
const (
	Structured = "application/cloudevents+json"
	Batched    = "application/cloudevents-batch+json"
)

// prefix begins the name of every header that is an attribute.
const prefix = "ce-"

// FromRequest returns the events that a request carries, in any of the three modes;
// there may be none in a batch. Each is valid as bus.Msg.Validate says.
//
// Errors are problems that name the header, or the field: 400 for what is no
// CloudEvent, 413 for one, or a batch, that is too large, 415 for a form that is not
// read. Where reading the body fails it is that error. The caller closes the body.
func FromRequest(r *http.Request) ([]bus.Msg, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, unread("Content-Encoding", "%.40q is not read: send the body as it is", e)
	}
	contentType := r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(contentType)
	if contentType != "" && err != nil {
		return nil, bus.ErrInvalid.WithField("Content-Type", fmt.Sprintf("%.80q is no media type", contentType))
	}
	if !strings.HasPrefix(media, "application/cloudevents") {
		m, err := binary(r)
		if err != nil {
			return nil, err
		}
		return []bus.Msg{m}, nil
	}
	if c, ok := params["charset"]; ok && !strings.EqualFold(c, "utf-8") {
		return nil, unread("Content-Type", "JSON is read in UTF-8 only, not in %.40q", c)
	}
	switch media {
	case Structured:
		// data_base64 takes four bytes for three; the attributes and JSON's escapes the rest.
		body, err := read(r, bus.MaxData/3*4+(64<<10))
		if err != nil {
			return nil, err
		}
		m, err := object(body)
		if err != nil {
			return nil, err
		}
		return []bus.Msg{m}, nil
	case Batched:
		body, err := read(r, MaxBody)
		if err != nil {
			return nil, err
		}
		return array(body)
	}
	return nil, unread("Content-Type", "%.80q is not read: use %s, %s, or headers that begin with ce-", media, Structured, Batched)
}

// binary reads an event whose attributes are headers.
func binary(r *http.Request) (bus.Msg, error) {
	attributes := map[string]string{}
	for name, values := range r.Header {
		attribute, ok := strings.CutPrefix(strings.ToLower(name), prefix)
		if !ok {
			continue
		}
		if len(values) != 1 {
			return bus.Msg{}, bus.ErrInvalid.WithField(prefix+attribute, fmt.Sprintf("it is there %d times", len(values)))
		}
		value, err := decode(values[0])
		if err != nil {
			return bus.Msg{}, bus.ErrInvalid.WithField(prefix+attribute, err.Error())
		}
		attributes[attribute] = value
	}
	if len(attributes) == 0 {
		return bus.Msg{}, problem.New(problem.InvalidArgument, "this is no CloudEvent: send the headers ce-id, ce-source, ce-type and ce-specversion: 1.0 beside the data, or %s", Structured)
	}
	if _, ok := attributes["datacontenttype"]; ok {
		return bus.Msg{}, bus.ErrInvalid.WithField("ce-datacontenttype", "in this mode the type of the data is Content-Type")
	}
	if t := r.Header.Get("Content-Type"); t != "" {
		attributes["datacontenttype"] = t
	}
	body, err := read(r, bus.MaxData)
	if err != nil {
		return bus.Msg{}, err
	}
	m, err := bus.FromAttributes(attributes, body)
	return m, renamed(err, func(field string) string {
		switch field {
		case "":
			return ""
		case "data":
			return "body"
		case "datacontenttype":
			return "Content-Type"
		}
		return prefix + field
	})
}

// read returns the body, and fails when it has more than most bytes.
func read(r *http.Request, most int64) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	tooLarge := bus.ErrTooLarge.WithField("body", fmt.Sprintf("at most %d bytes are taken", most))
	if r.ContentLength > most {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, problem.Wrap(err, problem.InvalidArgument, "the request's body ended before its Content-Length").
			WithField("body", fmt.Sprintf("%d bytes came of %d", len(body), r.ContentLength))
	}
	if err != nil {
		return nil, fmt.Errorf("cloudevents: the body cannot be read: %w", err)
	}
	if int64(len(body)) > most {
		return nil, tooLarge
	}
	return body, nil
}

// renamed returns err with other names for the fields that it is about.
func renamed(err error, name func(field string) string) error {
	e, ok := errors.AsType[*problem.Error](err)
	if !ok {
		return err
	}
	c := *e
	c.Details = nil
	for _, d := range e.Details {
		c.Details = append(c.Details, problem.Detail{Field: name(d.Field), Reason: d.Reason})
	}
	return &c
}

// unread is the 415 for a form that is not read.
func unread(field, format string, args ...any) error {
	e := bus.ErrInvalid.WithField(field, fmt.Sprintf(format, args...))
	e.Status = http.StatusUnsupportedMediaType
	return e
}

// NewRequest returns a POST to url that carries a message in binary mode. It fails for
// a message that is not valid, and for a url that is none.
func NewRequest(ctx context.Context, url string, m bus.Msg) (*http.Request, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(m.Data))
	if err != nil {
		return nil, fmt.Errorf("cloudevents: %w", err)
	}
	for name, value := range m.Attributes() {
		if name == "datacontenttype" {
			r.Header.Set("Content-Type", value)
			continue
		}
		r.Header.Set(prefix+name, bus.Escape(value))
	}
	return r, nil
}
