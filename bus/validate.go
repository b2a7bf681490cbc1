package bus

import (
	"mime"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxAttributes is the most bytes of all attributes of a message together, names
// included: a broker's message of 1 MiB holds them and MaxData with room to spare.
const maxAttributes = 16 << 10

// maxName is the most characters of an extension's name (CloudEvents 1.0, "Naming
// Conventions").
const maxName = 20

// Validate returns what is wrong with a message that is to be published: [ErrInvalid]
// or [ErrTooLarge], with the CloudEvents name of the attribute; nil when nothing is.
// Every broker refuses what it refuses, and nothing else.
func (m Msg) Validate() error {
	if m.Source == "" {
		return invalid(attrSource, "it is missing: say who publishes, such as /orders")
	}
	return m.ValidateDraft()
}

// ValidateDraft is Validate for a message whose Source is still to be set, as the one
// of an outbox is.
func (m Msg) ValidateDraft() error {
	if m.ID == "" {
		return invalid(attrID, "it is missing: the id makes a repeated message known")
	}
	if len(m.ID) > 255 || !visible(m.ID) {
		return invalid(attrID, "use 1 to 255 visible ASCII characters")
	}
	if len(m.Source) > 255 || m.Source != "" && !validURI(m.Source) {
		return invalid(attrSource, "use a URI reference of 1 to 255 visible ASCII characters, such as /orders")
	}
	if err := ValidTopic(m.Topic); err != nil {
		return invalid(attrType, "%s", strings.TrimPrefix(err.Error(), "bus: "))
	}
	for _, a := range []struct {
		name, value string
		most        int
	}{
		{attrSubject, m.Subject, 1024},
		{attrKey, m.Key, 255},
		{attrSequence, m.Sequence, 64},
		{attrCausation, m.Causation, 255},
		{attrCorrelation, m.Correlation, 255},
		{attrTraceParent, m.TraceParent, 256},
		{attrTraceState, m.TraceState, 1024},
		{attrContentType, m.ContentType, 255},
		{attrSchema, m.Schema, 1024},
	} {
		if err := validText(a.name, a.value, a.most); err != nil {
			return err
		}
	}
	if m.ContentType != "" {
		if _, _, err := mime.ParseMediaType(m.ContentType); err != nil {
			return invalid(attrContentType, "%.80q is no media type, such as application/json", m.ContentType)
		}
	}
	if m.Schema != "" && !validURI(m.Schema) {
		return invalid(attrSchema, "%.80q is no URI", m.Schema)
	}
	if y := m.Time.Year(); !m.Time.IsZero() && (y < 1 || y > 9999) {
		return invalid(attrTime, "the year %d is outside of 1 to 9999", y)
	}
	if y := m.NotBefore.Year(); !m.NotBefore.IsZero() && (y < 1 || y > 9999) {
		return invalid(attrNotBefore, "the year %d is outside of 1 to 9999", y)
	}
	return m.validateSize()
}

func (m Msg) validateSize() error {
	size := 0
	for name, value := range m.Extensions {
		if !validName(name) {
			return invalid(name, "the name of an extension has 1 to %d characters of a-z and 0-9", maxName)
		}
		if isAttribute(name) {
			return invalid(name, "it is no extension: the message has a field for it")
		}
		if err := validText(name, value, 4096); err != nil {
			return err
		}
	}
	for name, value := range m.Extensions {
		size += len(name) + len(value)
	}
	for _, t := range texts(&m) {
		if *t.value != "" {
			size += len(t.name) + len(*t.value)
		}
	}
	size += len(attrSpecVersion) + len(SpecVersion) + sizeOf(attrTime, m.Time) + sizeOf(attrNotBefore, m.NotBefore)
	if size > maxAttributes {
		return ErrTooLarge.WithField("", "its attributes have "+bytes(size)+"; at most "+bytes(maxAttributes)+" are taken")
	}
	if len(m.Data) > MaxData {
		return ErrTooLarge.WithField(attrData, "it has "+bytes(len(m.Data))+"; at most "+bytes(MaxData)+" are taken: store it elsewhere and send where")
	}
	return nil
}

// sizeOf returns how long a time is with its name, as Attributes writes it.
func sizeOf(name string, t time.Time) int {
	if t.IsZero() {
		return 0
	}
	var room [len(time.RFC3339Nano) + 5]byte
	return len(name) + len(t.UTC().AppendFormat(room[:0], time.RFC3339Nano))
}

// validText refuses what CloudEvents forbids in a string: control characters, and
// what is no Unicode text.
func validText(name, value string, most int) error {
	if len(value) > most {
		return invalid(name, "it has %d bytes; at most %d are taken", len(value), most)
	}
	if !utf8.ValidString(value) {
		return invalid(name, "it is not UTF-8")
	}
	for _, r := range value {
		if unicode.IsControl(r) || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef {
			return invalid(name, "it has the character %U, which attributes must not have", r)
		}
	}
	return nil
}

func validName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

func validURI(s string) bool {
	_, err := url.Parse(s)
	return err == nil && visible(s)
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
