package route

import (
	"encoding/json"
	"fmt"
	"time"
)

// Date is a moment, in JSON "2026-12-31", which is its beginning in UTC, or RFC 3339.
type Date struct{ time.Time }

// ParseDate reads a Date.
func ParseDate(s string) (Date, error) {
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, s); err == nil {
			return Date{t.UTC()}, nil
		}
	}
	return Date{}, fmt.Errorf("%.40q is no date; write 2026-12-31 or 2026-12-31T12:00:00Z", s)
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Date) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("a date must be text, such as \"2026-12-31\": %w", err)
	}
	var err error
	*d, err = ParseDate(s)
	return err
}

// MarshalJSON implements json.Marshaler.
func (d Date) MarshalJSON() ([]byte, error) {
	form := time.RFC3339
	if d.Truncate(24 * time.Hour).Equal(d.Time) {
		form = time.DateOnly
	}
	return json.Marshal(d.UTC().Format(form))
}
