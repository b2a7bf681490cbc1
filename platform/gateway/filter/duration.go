package filter

import (
	"encoding/json"
	"reflect"
	"time"
)

// Duration is a length of time as filters are told it: "500ms", "10s", "24h". Zero or more.
type Duration time.Duration

// Or returns the duration, and the default where it is zero.
func (d Duration) Or(otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return time.Duration(d)
}

// UnmarshalJSON reads Go's notation of a duration.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err == nil {
		if v, err := time.ParseDuration(s); err == nil && v >= 0 {
			*d = Duration(v)
			return nil
		}
	}
	return &json.UnmarshalTypeError{Value: string(text), Type: reflect.TypeFor[time.Duration]()}
}

// MarshalJSON writes what UnmarshalJSON reads.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }
