package wire

import (
	"strings"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Records reads an ExportLogsServiceRequest and calls each with every record of it, as
// Spans does. A record that tells no time has Time 0.
func Records(body string, lim Limits, each func(l *signal.Log, m Meta)) error {
	d := newDecoder(body, lim)
	return d.resources(body, func(res *resource, sl string) error {
		scope, err := d.scope(sl)
		if err != nil {
			return err
		}
		c := over(sl)
		for c.next() {
			if c.key != 2<<3|delimited {
				c.skip()
				continue
			}
			l := signal.Log{Service: res.service, Resource: res.attributes, Scope: scope}
			d.begin()
			m, err := d.record(c.text(), &l)
			if err != nil {
				return err
			}
			m.Repairs |= res.repairs
			each(&l, m)
		}
		return c.err("records of a scope")
	})
}

func (d *decoder) record(raw string, l *signal.Log) (Meta, error) {
	var m Meta
	var trace, span, level, event, body string
	var at, seen uint64
	base := len(d.stack)
	c := over(raw)
	for c.next() {
		var err error
		switch c.key {
		case 1<<3 | fixed64:
			at = c.fixed64()
		case 2<<3 | varint:
			l.Severity = 0
			if v := enum(c.varint()); v <= 24 {
				l.Severity = signal.Severity(v)
			}
		case 3<<3 | delimited:
			level = c.text()
		case 5<<3 | delimited:
			body = joined(body, c.text())
		case 6<<3 | delimited:
			err = d.attribute(c.text(), base)
		case 9<<3 | delimited:
			trace = c.text()
		case 10<<3 | delimited:
			span = c.text()
		case 11<<3 | fixed64:
			seen = c.fixed64()
		case 12<<3 | delimited:
			event = c.text()
		default:
			c.skip()
		}
		if err != nil {
			return m, err
		}
	}
	if err := c.err("a log record"); err != nil {
		return m, err
	}
	v, err := d.value(body)
	if err != nil {
		return m, err
	}
	l.Body = v.String()
	if l.Severity == 0 {
		l.Severity = severity(level)
	}
	if at == 0 {
		at = seen
	}
	l.Time = nanos(at)
	d.context(l, trace, span)
	if event != "" && len(d.stack)-base < d.lim.List { // the event's name is a field of OTLP and an attribute to us
		d.stack = append(d.stack, signal.Attribute{Key: "event.name", Value: signal.StringValue(d.text(event, maxName))})
	}
	l.Attributes = d.cut(base)
	m.Size, m.Parts, m.Repairs = d.size+fixed+overhead*len(l.Attributes), d.parts, d.repairs
	return m, nil
}

// context sets what trace a record belongs to. A trace without a span is fine; a span
// without a trace tells nothing.
func (d *decoder) context(l *signal.Log, trace, span string) {
	if len(trace) == len(l.Trace) {
		copy(l.Trace[:], trace)
	} else if trace != "" {
		d.repairs |= BadLink
	}
	if l.Trace.IsZero() {
		if len(span) == len(l.Span) && strings.Trim(span, "\x00") != "" {
			d.repairs |= BadLink
		}
		return
	}
	if len(span) == len(l.Span) {
		copy(l.Span[:], span)
	} else if span != "" {
		d.repairs |= BadLink
	}
}

// severity reads a level's common names, for senders that give no number.
func severity(s string) signal.Severity {
	switch strings.ToLower(s) {
	case "trace":
		return signal.SeverityTrace
	case "debug":
		return signal.SeverityDebug
	case "info", "information", "notice":
		return signal.SeverityInfo
	case "warn", "warning":
		return signal.SeverityWarn
	case "error", "err", "severe":
		return signal.SeverityError
	case "fatal", "critical", "crit", "alert", "emerg", "emergency", "panic":
		return signal.SeverityFatal
	}
	return 0
}
