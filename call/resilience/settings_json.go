package resilience

import (
	"encoding/json"
	"reflect"

	"github.com/musterdev/muster/call/resilience/internal/textual"
)

// MarshalJSON writes the settings with the words and units of a file, leaving out what
// is at its zero value: {"timeout":"2s","breaker":{"failures":"50%"}}.
func (s Settings) MarshalJSON() ([]byte, error) {
	out, err := textual.Outward(reflect.ValueOf(s))
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. What the text does not name stays as it
// is. A key it does not know is an error that names the one probably meant.
func (s *Settings) UnmarshalJSON(data []byte) error {
	read := s.Clone()
	if err := textual.Inward("", data, reflect.ValueOf(&read).Elem()); err != nil {
		return err
	}
	*s = read
	return nil
}
