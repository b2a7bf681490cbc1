package promapi

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// number is a value as the API writes it: a text, for JSON has no NaN.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	return append(appendNumber([]byte{'"'}, float64(n)), '"'), nil
}

// seconds is a time in ms since 1970 as the API writes it: seconds with a fraction.
type seconds int64

func (s seconds) MarshalJSON() ([]byte, error) { return appendSeconds(nil, int64(s)), nil }

// exemplarSeries is a series with its exemplars.
type exemplarSeries struct {
	Labels    labels.Labels `json:"seriesLabels"`
	Exemplars []oneExemplar `json:"exemplars"`
}

type oneExemplar struct {
	Labels labels.Labels `json:"labels"`
	Value  number        `json:"value"`
	Time   seconds       `json:"timestamp"`
}

// writeError writes the answer to a request that failed.
func writeError(w io.Writer, k kind, err error) {
	b, _ := json.Marshal(map[string]string{"status": "error", "errorType": string(k), "error": err.Error()}) //nolint:errchkjson // texts
	_, _ = w.Write(b)
}

// writeAnswer writes the answer to one that did not; a large one goes out in pieces.
func writeAnswer(out io.Writer, ans answer) error {
	w := bufio.NewWriterSize(out, 64<<10)
	_, _ = w.WriteString(`{"status":"success","data":`)
	if err := writeData(w, ans.data); err != nil {
		return err
	}
	warnings, infos := ans.notes.AsStrings(ans.query, 10, 10)
	for name, list := range map[string][]string{"warnings": warnings, "infos": infos} {
		if len(list) == 0 {
			continue
		}
		b, err := json.Marshal(list)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(w, `,"%s":%s`, name, b)
	}
	_, _ = w.WriteString("}")
	return w.Flush()
}

func writeData(w *bufio.Writer, data any) error {
	value, ok := data.(parser.Value)
	if !ok {
		b, err := json.Marshal(data)
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	}
	_, _ = fmt.Fprintf(w, `{"resultType":"%s","result":`, value.Type())
	var err error
	switch v := value.(type) {
	case promql.Vector:
		err = writeVector(w, v)
	case promql.Matrix:
		err = writeMatrix(w, v)
	case promql.Scalar:
		_, err = w.Write(appendPoint(nil, v.T, v.V))
	default: // a text
		var b []byte
		if b, err = json.Marshal(v); err == nil {
			_, err = w.Write(b)
		}
	}
	_, _ = w.WriteString("}")
	return err
}

func writeVector(w *bufio.Writer, v promql.Vector) error {
	b := []byte{'['}
	for i, s := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendLabels(append(b, `{"metric":`...), s.Metric), ',')
		if s.H == nil {
			b = appendPoint(append(b, `"value":`...), s.T, s.F)
		} else {
			h, err := promql.HPoint{T: s.T, H: s.H}.MarshalJSON()
			if err != nil {
				return err
			}
			b = append(append(b, `"histogram":`...), h...)
		}
		b = append(b, '}')
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	_, err := w.Write(append(b, ']'))
	return err
}

func writeMatrix(w *bufio.Writer, m promql.Matrix) error {
	b := []byte{'['}
	for i, s := range m {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendLabels(append(b, `{"metric":`...), s.Metric)
		for j, p := range s.Floats {
			b = append(b, separator(j, `,"values":[`)...)
			b = appendPoint(b, p.T, p.F)
		}
		if len(s.Floats) > 0 {
			b = append(b, ']')
		}
		for j, p := range s.Histograms {
			h, err := p.MarshalJSON()
			if err != nil {
				return err
			}
			b = append(b, separator(j, `,"histograms":[`)...)
			b = append(b, h...)
		}
		if len(s.Histograms) > 0 {
			b = append(b, ']')
		}
		if _, err := w.Write(append(b, '}')); err != nil {
			return err
		}
		b = b[:0]
	}
	_, err := w.Write(append(b, ']'))
	return err
}

func separator(i int, first string) string {
	if i == 0 {
		return first
	}
	return ","
}

func appendLabels(b []byte, ls labels.Labels) []byte {
	b = append(b, '{')
	first := true
	ls.Range(func(l labels.Label) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendText(append(appendText(b, l.Name), ':'), l.Value)
	})
	return append(b, '}')
}

// appendText appends a text as JSON.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c >= 0x7f {
			quoted, _ := json.Marshal(s) //nolint:errchkjson // a text
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func appendPoint(b []byte, t int64, v float64) []byte {
	b = append(appendSeconds(append(b, '['), t), ',', '"')
	return append(appendNumber(b, v), '"', ']')
}

// appendSeconds appends ms as seconds with at most three digits of a fraction.
func appendSeconds(b []byte, ms int64) []byte {
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	if part := ms % 1000; part > 0 {
		b = append(b, '.', byte('0'+part/100), byte('0'+part/10%10), byte('0'+part%10))
	}
	return b
}

// appendNumber appends a value as Prometheus writes it.
func appendNumber(b []byte, v float64) []byte {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, v, format, -1, 64)
}

// unescape reads what follows U__ in a label's name in a path.
func unescape(s string) string { return model.UnescapeName("U__"+s, model.ValueEncodingEscaping) }
