package filter

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Bytes is a number of bytes as filters are told it: 4096, or a text with a unit, "512KiB",
// "10MiB", "1GiB", "1MB". Zero or more.
type Bytes int64

type unit struct {
	name string
	size int64
}

// units are those of Bytes, the larger of two that divide a number first.
func units() []unit {
	return []unit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}}
}

// UnmarshalJSON reads a number, or a text with a unit.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	text := string(data)
	if len(data) > 0 && data[0] == '"' && json.Unmarshal(data, &text) != nil {
		text = ""
	}
	size := int64(1)
	for _, u := range units() {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			text, size = strings.TrimRight(number, " "), u.size
			break
		}
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n > (1<<62)/uint64(size) {
		return fmt.Errorf("%.40s is not a number of bytes: write 4096, \"512KiB\" or \"10MiB\"", data)
	}
	*b = Bytes(int64(n) * size)
	return nil
}

// String writes the number with the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range units()[:3] {
		if b > 0 && int64(b)%u.size == 0 {
			return fmt.Sprintf("%d%s", int64(b)/u.size, u.name)
		}
	}
	return fmt.Sprintf("%d", int64(b))
}

// MarshalJSON writes what UnmarshalJSON reads.
func (b Bytes) MarshalJSON() ([]byte, error) { return json.Marshal(b.String()) }
