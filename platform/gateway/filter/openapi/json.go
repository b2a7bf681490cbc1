package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxNumber bounds a number's text, in bytes, which is compared at full precision.
const maxNumber = 400

// large is an exponent that makes a number of a gigabyte out of ten bytes.
var large = regexp.MustCompile(`[eE][+-]?[0-9]{4,}$`)

// decodeJSON reads JSON; reason says why it cannot be. What programs read differently is
// refused: behind the member that is judged here another of its name would hide.
func decodeJSON(data []byte) (v any, reason string) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, "is not JSON: " + err.Error()
	}
	if reason = doubtful(data); reason != "" {
		return nil, reason
	}
	return v, ""
}

// level is an object or a list that is not over yet.
type level struct {
	names map[string]bool // that were there; nil: a list
	value bool            // of an object: a value comes next
}

// doubtful looks in valid JSON for a member that is there twice, and for a number that no
// program has room for.
func doubtful(data []byte) string {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	open := []*level{{}}
	for {
		token, err := d.Token()
		if err != nil {
			return "" // the end
		}
		at := open[len(open)-1]
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				open = append(open, &level{names: map[string]bool{}})
			case '[':
				open = append(open, &level{})
			default:
				open = open[:len(open)-1]
				continue
			}
			at.value = false // what follows in there is it
			continue
		case string:
			if at.names != nil && !at.value {
				if at.names[t] {
					return fmt.Sprintf("has the member %.80q twice", t)
				}
				at.names[t], at.value = true, true
				continue
			}
		case json.Number:
			if len(t) > maxNumber || large.MatchString(t.String()) {
				return fmt.Sprintf("has a number that is too large: %.40s", t)
			}
		}
		at.value = false
	}
}
