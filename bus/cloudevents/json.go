package cloudevents

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/musterdev/muster/bus"
)

// array reads a batch.
func array(body []byte) ([]bus.Msg, error) {
	var all []json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, bus.ErrInvalid.WithField("body", "it is no array of CloudEvents: "+describe(err))
	}
	if all == nil {
		return nil, bus.ErrInvalid.WithField("body", "it is null, and no array of CloudEvents")
	}
	if len(all) > MaxBatch {
		return nil, bus.ErrTooLarge.WithField("body", fmt.Sprintf("the batch has %d events; at most %d are taken", len(all), MaxBatch))
	}
	msgs := make([]bus.Msg, len(all))
	for i, raw := range all {
		m, err := object(raw)
		if err != nil {
			return nil, renamed(err, func(field string) string {
				if field == "" || field == "body" {
					return fmt.Sprintf("[%d]", i)
				}
				return fmt.Sprintf("[%d].%s", i, field)
			})
		}
		msgs[i] = m
	}
	return msgs, nil
}

// object reads one event in the JSON format.
func object(body []byte) (bus.Msg, error) {
	members, err := membersOf(body)
	if err != nil {
		return bus.Msg{}, err
	}
	attributes := map[string]string{}
	for name, raw := range members {
		if name == "data" || name == "data_base64" {
			continue
		}
		value, set, err := text(raw, extension(name))
		if err != nil {
			return bus.Msg{}, bus.ErrInvalid.WithField(name, err.Error())
		}
		if set {
			attributes[name] = value
		}
	}
	data, err := content(members, attributes["datacontenttype"])
	if err != nil {
		return bus.Msg{}, err
	}
	if _, ok := attributes["datacontenttype"]; !ok && isSet(members["data"]) {
		attributes["datacontenttype"] = "application/json" // what the format says it is then
	}
	return bus.FromAttributes(attributes, data)
}

// membersOf returns the members of an object. What encoding/json would mend or choose
// among is refused, for another reader might choose otherwise: bytes that are no UTF-8,
// and a name that is there twice (RFC 8259, sections 4 and 8.1).
func membersOf(body []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, bus.ErrInvalid.WithField("body", "it is not UTF-8")
	}
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		return nil, bus.ErrInvalid.WithField("body", "it is no CloudEvent in JSON: "+describe(err))
	}
	if whole == nil {
		return nil, bus.ErrInvalid.WithField("body", "it is null, and no CloudEvent")
	}
	d := json.NewDecoder(bytes.NewReader(body)) // which succeeds, as the whole did
	if _, err := d.Token(); err != nil {
		return nil, bus.ErrInvalid.WithField("body", describe(err))
	}
	seen := make(map[string]bool, len(whole))
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		var value json.RawMessage
		if err == nil {
			err = d.Decode(&value)
		}
		if err != nil || !ok {
			return nil, bus.ErrInvalid.WithField("body", "it is no CloudEvent in JSON")
		}
		if seen[name] {
			return nil, bus.ErrInvalid.WithField(name, "it is there twice")
		}
		seen[name] = true
	}
	return whole, nil
}

// content returns the data of an event: bytes in base 64, text, or a JSON value.
func content(members map[string]json.RawMessage, contentType string) ([]byte, error) {
	value, encoded := members["data"], members["data_base64"]
	switch {
	case isSet(value) && isSet(encoded):
		return nil, bus.ErrInvalid.WithField("data_base64", "there is data too: send one of the two")
	case isSet(encoded):
		var s string
		if err := json.Unmarshal(encoded, &s); err != nil {
			return nil, bus.ErrInvalid.WithField("data_base64", "it is no string")
		}
		data, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, bus.ErrInvalid.WithField("data_base64", "it is no base 64: "+err.Error())
		}
		return data, nil
	case !isSet(value):
		return nil, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	isJSON := contentType == "" || err == nil && (strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json"))
	if !isJSON && value[0] == '"' {
		var s string
		if err := json.Unmarshal(value, &s); err != nil {
			return nil, bus.ErrInvalid.WithField("data", err.Error())
		}
		return []byte(s), nil
	}
	return value, nil
}

// text returns the value of an attribute, set false for null. Those that are
// extensions may be numbers and booleans too.
func text(raw json.RawMessage, extension bool) (value string, set bool, err error) {
	switch c := raw[0]; {
	case c == 'n':
		return "", false, nil
	case c == '"':
		err := json.Unmarshal(raw, &value)
		return value, true, err
	case extension && (c == 't' || c == 'f'), extension && c == '-', extension && c >= '0' && c <= '9':
		return string(raw), true, nil
	case extension:
		return "", false, errors.New("it is no string, number or boolean")
	}
	return "", false, errors.New("it is no string")
}

// extension reports whether an attribute is none of the specification's own.
func extension(name string) bool {
	switch name {
	case "id", "source", "specversion", "type", "subject", "time", "datacontenttype", "dataschema":
		return false
	}
	return true
}

// isSet reports whether a member is there, and not null.
func isSet(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }

func describe(err error) string {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("%v at byte %d", e, e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("it is a JSON %s", e.Value)
	}
	return err.Error()
}
