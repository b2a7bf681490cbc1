package scrape

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
)

// batch is what one scrape of a target gives.
type batch struct {
	target Target
	at     int64 // ms since 1970
	points []sample.Point
	series map[string]labels.Labels // those that end when they are gone the next time
	metas  map[string]sample.Meta
}

// parse adds the samples of an answer.
func (b *batch) parse(body []byte, contentType string) error {
	p, err := textparse.New(body, contentType, nil, textparse.ParserOptions{FallbackContentType: "text/plain"})
	if p == nil {
		return fmt.Errorf("it answered %q, which is no format of metrics: %w", contentType, err)
	}
	for {
		entry, err := p.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("its answer cannot be parsed: %w", err)
		}
		switch entry {
		case textparse.EntryType:
			name, kind := p.Type()
			b.describe(name, func(m *sample.Meta) { m.Type = kind })
		case textparse.EntryHelp:
			name, help := p.Help()
			b.describe(name, func(m *sample.Meta) { m.Help = string(help) })
		case textparse.EntryUnit:
			name, unit := p.Unit()
			b.describe(name, func(m *sample.Meta) { m.Unit = string(unit) })
		case textparse.EntrySeries:
			b.sample(p)
		case textparse.EntryComment, textparse.EntryHistogram, textparse.EntryInvalid:
		}
	}
}

func (b *batch) describe(name []byte, set func(*sample.Meta)) {
	m, known := b.metas[string(name)]
	if !known {
		m.Type = model.MetricTypeUnknown
	}
	set(&m)
	b.metas[string(name)] = m
}

// sample adds the sample that the parser is at.
func (b *batch) sample(p textparse.Parser) {
	var said labels.Labels
	p.Labels(&said)
	_, at, v := p.Series()
	s := sample.Sample{Labels: b.labels(said), Time: b.at, Value: v}
	if at != nil {
		s.Time = *at
	} else { // one that says its time goes on by itself
		b.series[s.Labels.String()] = s.Labels
	}
	var e exemplar.Exemplar
	for p.Exemplar(&e) {
		if !e.HasTs {
			e.Ts = s.Time
		}
		s.Exemplars = append(s.Exemplars, e)
		e = exemplar.Exemplar{}
	}
	b.points = append(b.points, sample.Point{Service: b.target.Job, Metric: said.Get(model.MetricNameLabel), Samples: []sample.Sample{s}})
}

// labels adds who was scraped; what the program itself calls so is exported_job.
func (b *batch) labels(said labels.Labels) labels.Labels {
	lb := labels.NewBuilder(said)
	for name, value := range map[string]string{"job": b.target.Job, "instance": b.target.Instance} {
		if own := said.Get(name); own != "" {
			lb.Set("exported_"+name, own)
		}
		lb.Set(name, value)
	}
	return lb.Labels()
}

// end adds to each series the mark that it is over.
func (b *batch) end(series map[string]labels.Labels) {
	for _, l := range series {
		b.points = append(b.points, sample.Point{Service: b.target.Job, Metric: l.Get(model.MetricNameLabel), Extra: true, Samples: []sample.Sample{
			{Labels: l, Time: b.at, Value: math.Float64frombits(value.StaleNaN)},
		}})
	}
}

// own adds the series about the scrape itself, or their end.
func (b *batch) own(over bool, up, samples float64) {
	for name, v := range map[string]float64{"up": up, "scrape_samples_scraped": samples} {
		if over {
			v = math.Float64frombits(value.StaleNaN)
		}
		b.points = append(b.points, sample.Point{Service: b.target.Job, Metric: name, Extra: true, Samples: []sample.Sample{
			{Labels: b.labels(labels.FromStrings(model.MetricNameLabel, name)), Time: b.at, Value: v},
		}})
	}
}
