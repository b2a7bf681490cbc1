// Package printed reads what programs print as log records, whatever they are written
// in: a line that is a JSON object, in the field names of the usual loggers (slog, zap,
// zerolog, logrus, pino, bunyan, Elastic's and OpenTelemetry's), or any other text.
package printed

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// The names that loggers have for what every record has; the first one that is there counts.
var (
	timeKeys     = []string{"time", "timestamp", "@timestamp", "ts"}
	severityKeys = []string{"level", "severity", "log.level", "lvl"}
	bodyKeys     = []string{"msg", "message", "body"}
	traceKeys    = []string{"trace_id", "traceId", "trace.id", "traceID"}
	spanKeys     = []string{"span_id", "spanId", "span.id", "spanID"}
)

// clockBound is how far the time in a line may be from when it was printed to be believed.
const clockBound = 10 * time.Minute

// Parse reads one line that was printed at a time by a service. It never fails: what
// it does not understand is text. A line's own service and instance, where a program
// holds several, are left among the attributes.
func Parse(line, service string, at time.Time) signal.Log {
	l := signal.Log{Time: at.UnixNano(), Service: service, Body: strings.ToValidUTF8(line, "\uFFFD")}
	if !strings.HasPrefix(strings.TrimLeft(line, " \t"), "{") {
		return l
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(line), &fields) != nil {
		return l
	}
	r := record{fields}
	body, key := r.take(bodyKeys)
	if key == "" {
		return l // an object, but no logger's
	}
	l.Body = body
	if text, _ := r.take(timeKeys); text != "" {
		if t, ok := parseTime(text); ok && t.Sub(at).Abs() <= clockBound {
			l.Time = t.UnixNano()
		}
	}
	if text, _ := r.take(severityKeys); text != "" {
		l.Severity = severity(text)
	}
	for _, id := range []struct {
		keys []string
		into interface{ UnmarshalText(text []byte) error }
	}{{traceKeys, &l.Trace}, {spanKeys, &l.Span}} {
		text, key := r.peek(id.keys)
		if key != "" && id.into.UnmarshalText([]byte(text)) == nil {
			delete(fields, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		l.Attributes = append(l.Attributes, signal.Attribute{Key: key, Value: value(fields[key])})
	}
	return l
}

// record is the fields of a line that are left.
type record struct{ fields map[string]json.RawMessage }

// peek returns the text of the first of these fields that is there.
func (r record) peek(keys []string) (text, key string) {
	for _, key := range keys {
		if raw, ok := r.fields[key]; ok {
			return value(raw).String(), key
		}
	}
	return "", ""
}

func (r record) take(keys []string) (text, key string) {
	text, key = r.peek(keys)
	delete(r.fields, key)
	return text, key
}

func value(raw json.RawMessage) signal.Value {
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return signal.StringValue(s)
		}
	case 't', 'f':
		return signal.BoolValue(raw[0] == 't')
	case 'n':
		return signal.StringValue("")
	case '{', '[':
		return signal.JSONValue(string(raw))
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return signal.IntValue(n)
	}
	if f, err := strconv.ParseFloat(string(raw), 64); err == nil {
		return signal.FloatValue(f)
	}
	return signal.StringValue(string(raw))
}

// parseTime reads RFC 3339, or seconds, milliseconds, microseconds or nanoseconds since
// 1970, whichever makes a date of this age.
func parseTime(text string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || f <= 0 {
		return time.Time{}, false
	}
	const year2200 = 7.2e9
	scale := 1e9
	for f > year2200 && scale >= 1 {
		f, scale = f/1e3, scale/1e3
	}
	if f > year2200 {
		return time.Time{}, false
	}
	return time.Unix(0, int64(f*1e9)), true
}

// severity reads a level's name, of OpenTelemetry's or any usual logger's, or pino's
// number (10 trace to 60 fatal).
func severity(text string) signal.Severity {
	switch strings.ToLower(text) {
	case "trace", "10":
		return signal.SeverityTrace
	case "debug", "20", "fine", "verbose":
		return signal.SeverityDebug
	case "info", "information", "notice", "30":
		return signal.SeverityInfo
	case "warn", "warning", "40":
		return signal.SeverityWarn
	case "error", "err", "50", "severe":
		return signal.SeverityError
	case "fatal", "panic", "critical", "crit", "emerg", "alert", "dpanic", "60":
		return signal.SeverityFatal
	}
	name, _, offset := strings.Cut(strings.ToLower(text), "+") // slog's "error+4"
	if offset {
		return severity(name)
	}
	if name, _, offset = strings.Cut(strings.ToLower(text), "-"); offset {
		return severity(name)
	}
	return 0
}
