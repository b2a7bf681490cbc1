package payments

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/problem"
)

// answer is what the processor says of a charge or a refund.
type answer struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Cents int64  `json:"cents"`
}

// ask makes one call to the processor, for the step of a saga. Where no answer comes it
// may have done what it was asked.
func (s *payments) ask(ctx context.Context, path string, body any) (a answer, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://card"+path, bytes.NewReader(text))
	if err != nil {
		return a, err
	}
	step, _ := saga.StepOf(ctx)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", step.Key())
	res, err := s.card.Do(req)
	if err != nil {
		return a, saga.Unknown(err)
	}
	defer res.Body.Close()
	if err := problem.FromResponse(res); err != nil {
		return a, err
	}
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		return a, saga.Unknown(err) // cut off
	}
	return a, nil
}
