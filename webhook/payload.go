package webhook

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"mime"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
)

// contentType of what is posted: a CloudEvent in its JSON format, so that the topic is
// signed too.
const contentType = "application/cloudevents+json"

// payload is what a partner learns of an event. What is for the own services stays out:
// traces, causes and keys.
type payload struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject,omitempty"`
	Time        time.Time       `json:"time,omitzero"`
	ContentType string          `json:"datacontenttype,omitempty"`
	Schema      string          `json:"dataschema,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	Base64      []byte          `json:"data_base64,omitempty"`
}

// bodyOf writes an event.
func bodyOf(m bus.Msg) ([]byte, error) {
	p := payload{
		SpecVersion: bus.SpecVersion, ID: m.ID, Source: m.Source, Type: m.Topic, Subject: m.Subject, Time: m.Time.UTC(),
		ContentType: m.ContentType, Schema: m.Schema,
	}
	media, _, _ := mime.ParseMediaType(m.ContentType) // "" is no JSON
	if (media == "application/json" || strings.HasSuffix(media, "+json")) && json.Valid(m.Data) {
		p.Data = m.Data
	} else {
		p.Base64 = m.Data
	}
	return json.Marshal(p)
}

// messageID is the webhook-id of an event: the same wherever and how often it is sent.
func messageID(m bus.Msg) string {
	sum := sha256.Sum256([]byte(m.Source + "\n" + m.ID))
	return "msg_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20]))
}
