package row

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Filter is a query for rows: of spans and of log records.
type Filter struct {
	From, Until int64 // of the start: From is in it, Until is not
	Service     string
	Name        string
	Kinds       uint64 // a bit for each kind, 0: any
	Severity    uint8  // at least
	Roots       bool
	Error       bool
	Min, Max    int64  // of the duration, both included
	Text        string // the name contains it, or an attribute as key=value does; in lower case
	Trace       signal.TraceID
	Match       []signal.Match
	Bare        bool
}

// OfSpans returns the filter of a query for spans.
func OfSpans(q signal.SpanQuery) Filter {
	f := Filter{
		Service: q.Service, Name: q.Name, Roots: q.Roots, Error: q.Error, Min: int64(q.Min), Max: int64(q.Max),
		Match: q.Match, Bare: q.Bare,
	}
	for _, k := range q.Kinds {
		f.Kinds |= 1 << (k & 63)
	}
	if q.Max == 0 {
		f.Max = math.MaxInt64
	}
	f.window(q.Window)
	return f
}

// OfLogs returns the filter of a query for log records.
func OfLogs(q signal.LogQuery) Filter {
	f := Filter{
		Service: q.Service, Severity: uint8(q.Severity), Text: strings.ToLower(q.Text), Trace: q.Trace, Match: q.Match,
		Max: math.MaxInt64,
	}
	f.window(q.Window)
	return f
}

func (f *Filter) window(w signal.Window) {
	f.From, f.Until = math.MinInt64, math.MaxInt64
	if !w.From.IsZero() {
		f.From = w.From.UnixNano()
	}
	if !w.Until.IsZero() {
		f.Until = w.Until.UnixNano()
	}
}

// Fixed reports whether the fixed part of a row is as wanted.
func (f *Filter) Fixed(r *Row) bool {
	return r.Start >= f.From && r.Start < f.Until && r.Duration >= f.Min && r.Duration <= f.Max &&
		f.Flags(r.Flags) && (f.Trace.IsZero() || f.Trace == r.Trace)
}

// Flags reports whether the flags are as wanted.
func (f *Filter) Flags(fl Flags) bool {
	return (f.Kinds == 0 || f.Kinds>>(fl.Kind()&63)&1 != 0) && fl.Kind() >= f.Severity &&
		(!f.Roots || fl.Root()) && (!f.Error || fl.Status() == signal.Error)
}

// Rest reports whether what is not in the fixed part is as wanted.
func (f *Filter) Rest(rows *Rows, i int) bool {
	if f.Name == "" && f.Text == "" && len(f.Match) == 0 {
		return true
	}
	rest := rows.Rest(i)
	if f.Name != "" && string(rest.Name) != f.Name || !f.Contains(rest.Name) && !f.said(rest.Attributes) {
		return false
	}
	for _, m := range f.Match {
		if m.Key == ServiceName && m.Value == f.Service {
			continue
		}
		if !has(rest.Attributes, m) && !OriginHas([]byte(rows.Origins[rows.Fixed[i].Origin]), m) {
			return false
		}
	}
	return true
}

// ServiceName is the resource's attribute that is not kept with the others.
const ServiceName = "service.name"

// OriginHas reports whether an origin's resource has an attribute of that value.
func OriginHas(origin []byte, m signal.Match) bool {
	r := reader{b: origin}
	r.text()
	return has(Values(r.b), m)
}

func has(values func(func(Value) bool), m signal.Match) (found bool) {
	values(func(v Value) bool {
		found = string(v.Key) == m.Key && v.Is(m.Value)
		return !found
	})
	return found
}

// Is reports whether signal.Value's String would return that text.
func (v Value) Is(text string) bool {
	if IsText(v.Type) {
		return string(v.Text) == text
	}
	n, ok := Number(v.Type, text)
	return ok && n == v.Number
}

// Number returns the number that is written so, as a value of that type has it.
func Number(t signal.Type, text string) (uint64, bool) {
	var v signal.Value
	switch t {
	case signal.Int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, false
		}
		v = signal.IntValue(n)
	case signal.Float:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, false
		}
		v = signal.FloatValue(n)
	case signal.Bool:
		v = signal.BoolValue(text == "true")
	case signal.String, signal.JSON:
		return 0, false
	}
	return canonical(v), v.String() == text
}

// Contains reports whether a name contains the wanted text, capitals or not.
func (f *Filter) Contains(name []byte) bool {
	return f.Text == "" || bytes.Contains(bytes.ToLower(name), []byte(f.Text))
}

// Says reports whether an attribute contains the wanted text, as people see it: key=value.
func (f *Filter) Says(v Value) bool {
	line := append(append(make([]byte, 0, len(v.Key)+len(v.Text)+24), v.Key...), '=')
	if IsText(v.Type) {
		line = append(line, v.Text...)
	} else {
		line = append(line, v.Signal().String()...)
	}
	return f.Contains(line)
}

func (f *Filter) said(values func(func(Value) bool)) (found bool) {
	values(func(v Value) bool {
		found = f.Says(v)
		return !found
	})
	return found
}
