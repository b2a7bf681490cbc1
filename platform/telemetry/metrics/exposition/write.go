package exposition

import (
	"bufio"
	"cmp"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
)

// write writes series in one of the two text formats. That the reader went away is no
// error that anybody could be told of.
func write(out io.Writer, list []latest, open bool) {
	w := bufio.NewWriterSize(out, 64<<10)
	defer func() { _ = w.Flush() }()
	var b []byte
	for i := range list {
		s := &list[i]
		if i == 0 || list[i-1].family != s.family {
			b = appendHead(b, s.family, s.meta, open)
		}
		b = appendSample(b, s, open)
		if _, err := w.Write(b); err != nil {
			return
		}
		b = b[:0]
	}
	if open {
		_, _ = w.WriteString("# EOF\n")
	}
}

// appendHead appends what a family is.
func appendHead(b []byte, family string, m sample.Meta, open bool) []byte {
	kind := cmp.Or(string(m.Type), string(model.MetricTypeUnknown))
	name := escaped(family)
	switch {
	case open:
		name, kind = openName(name, kind)
	case m.Type == model.MetricTypeUnknown || m.Type == "" || m.Type == model.MetricTypeInfo || m.Type == model.MetricTypeStateset:
		kind = "untyped"
	}
	if m.Help != "" {
		help := strings.NewReplacer(`\`, `\\`, "\n", `\n`)
		if open {
			help = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
		}
		b = append(append(append(append(append(b, "# HELP "...), name...), ' '), help.Replace(m.Help)...), '\n')
	}
	return append(append(append(append(append(b, "# TYPE "...), name...), ' '), kind...), '\n')
}

// openName returns how OpenMetrics calls a family and its type: there the samples of a
// counter end in _total, and of an info in _info, which the family's name lacks.
func openName(name, kind string) (string, string) {
	suffix := ""
	switch model.MetricType(kind) {
	case model.MetricTypeCounter:
		suffix = "_total"
	case model.MetricTypeGauge, model.MetricTypeHistogram, model.MetricTypeSummary:
		return name, kind
	case model.MetricTypeInfo:
		suffix = "_info"
	default:
	}
	if base, ok := strings.CutSuffix(name, suffix); ok && suffix != "" {
		return base, kind
	}
	return name, "unknown"
}

func appendSample(b []byte, s *latest, open bool) []byte {
	b = append(b, escaped(s.name)...)
	first := byte('{')
	s.labels.Range(func(l labels.Label) {
		if l.Name == model.MetricNameLabel {
			return
		}
		b = append(append(b, first), escaped(l.Name)...)
		b = append(b, '=', '"')
		for i := range len(l.Value) {
			switch c := l.Value[i]; c {
			case '\\', '"':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			default:
				b = append(b, c)
			}
		}
		b = append(b, '"')
		first = ','
	})
	if first == ',' {
		b = append(b, '}')
	}
	b = append(b, ' ')
	switch {
	case math.IsInf(s.value, 1):
		b = append(b, "+Inf"...)
	case math.IsInf(s.value, -1):
		b = append(b, "-Inf"...)
	default:
		b = strconv.AppendFloat(b, s.value, 'g', -1, 64)
	}
	b = append(b, ' ')
	if open {
		b = strconv.AppendFloat(b, float64(s.time)/1000, 'f', -1, 64)
	} else {
		b = strconv.AppendInt(b, s.time, 10)
	}
	return append(b, '\n')
}

// escaped is a name as the formats know it.
func escaped(name string) string { return model.EscapeName(name, model.UnderscoreEscaping) }
