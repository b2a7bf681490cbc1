package signal

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// UnmarshalJSON reads what MarshalJSON returns: a text, a number (an Int where it is a
// whole one that fits), true or false, else JSON. null is the empty text.
func (v *Value) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return errors.New("an attribute's value is missing")
	}
	switch b[0] {
	case '"':
		*v = Value{}
		return json.Unmarshal(b, &v.Text)
	case 't', 'f':
		*v = BoolValue(b[0] == 't')
	case 'n':
		*v = Value{}
	case '{', '[':
		*v = JSONValue(string(b))
	default:
		if n, err := strconv.ParseInt(string(b), 10, 64); err == nil && string(b) != "-0" { // which only floats have
			*v = IntValue(n)
			return nil
		}
		f, err := strconv.ParseFloat(string(b), 64)
		if err != nil {
			return err
		}
		*v = FloatValue(f)
	}
	return nil
}

// UnmarshalJSON reads an object; its order is kept. null is no attributes.
func (a *Attributes) UnmarshalJSON(b []byte) error {
	*a = nil
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t == nil {
		return err
	} else if t != json.Delim('{') {
		return errors.New("attributes are not an object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		at := Attribute{}
		at.Key, _ = key.(string) // JSON has no other keys
		if err := d.Decode(&at.Value); err != nil {
			return err
		}
		*a = append(*a, at)
	}
	_, err := d.Token()
	return err
}
