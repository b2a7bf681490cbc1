package projection

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Status is a build and how far it is.
type Status struct {
	Name     string    `json:"name"` // b3, or b3_2 for the second one of the same code
	Build    int       `json:"build"`
	State    string    `json:"state"` // building, live, dropped
	Read     bool      `json:"read"`  // by the code that is asked
	Fed      bool      `json:"fed"`   // by the replica that is asked, which is who knows Behind and Oldest
	Behind   int64     `json:"behind"`
	Oldest   float64   `json:"oldest_seconds"`     // the age of the oldest of those
	Failed   int64     `json:"failed"`             // events that failed here and had no effect yet
	Hindered string    `json:"hindered,omitempty"` // why it does not take the place of the one that is read
	Accepted bool      `json:"accepted,omitempty"`
	Began    time.Time `json:"began"`
	Swapped  time.Time `json:"swapped,omitzero"` // when it began to be read
	By       string    `json:"by,omitempty"`
	Why      string    `json:"why,omitempty"`
}

// Stats returns the builds that have tables, the latest first.
func (p *Projection) Stats(ctx context.Context) ([]Status, error) {
	all, err := p.builds(ctx, p.DB)
	if err != nil {
		return nil, err
	}
	now := read(all, p.Build)
	list := []Status{}
	for _, b := range all {
		if b.state == dropped {
			continue
		}
		s := Status{
			Name: b.label, Build: b.code, State: b.state, Read: now != nil && now.label == b.label, Hindered: b.hindrance, Accepted: b.accepted,
			Began: at(b.began), Swapped: at(b.swapped), By: b.asked, Why: b.why,
		}
		p.mu.Lock()
		lag, ok := p.lags[b.label]
		p.mu.Unlock()
		s.Fed, s.Behind, s.Oldest = ok, lag.Messages, lag.Oldest.Seconds()
		err := p.DB.QueryRowContext(ctx, `SELECT count(*) FROM muster_projection_failed f WHERE f.projection = $1 AND f.build = $2
			AND NOT EXISTS (SELECT 1 FROM muster_projection_note n WHERE n.projection = $1 AND n.build = $2 AND n.source = f.source AND n.id = f.id)`, p.Name, b.label).Scan(&s.Failed)
		if err != nil {
			return nil, explained(err)
		}
		list = append(list, s)
	}
	return list, nil
}

// observe exports how far the builds that are fed here are behind.
func (p *Projection) observe() error {
	if p.Meters == nil {
		return nil
	}
	meter := p.Meters.Meter("github.com/musterdev/muster/data/projection")
	behind, err := meter.Int64ObservableGauge("muster.projection.behind", metric.WithUnit("{event}"), metric.WithDescription("Events that a build of a read model has not had."))
	if err != nil {
		return fmt.Errorf("projection: %w", err)
	}
	oldest, err := meter.Float64ObservableGauge("muster.projection.oldest", metric.WithUnit("s"), metric.WithDescription("Age of the oldest event that a build of a read model has not had."))
	if err != nil {
		return fmt.Errorf("projection: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for label, lag := range p.lags {
			of := metric.WithAttributes(attribute.String("muster.projection", p.Name), attribute.String("muster.projection.build", label))
			o.ObserveInt64(behind, lag.Messages, of)
			o.ObserveFloat64(oldest, lag.Oldest.Seconds(), of)
		}
		return nil
	}, behind, oldest)
	if err != nil {
		return fmt.Errorf("projection: %w", err)
	}
	return nil
}
