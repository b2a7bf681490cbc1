package twophase

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/musterdev/muster/problem"
)

// MostListed is the most that is listed of one participant.
const MostListed = 1000

// Prepared is a transaction that a participant has prepared: it holds its locks, through restarts of that
// database too, until it is ended.
type Prepared struct {
	Participant string  `json:"participant"`
	GID         string  `json:"gid"` // its name in pg_prepared_xacts
	Owner       string  `json:"owner"`
	Age         float64 `json:"age_seconds"`
	// Ours says that it is an operation of this coordinator: Run ends it. All others are left alone: who made
	// them must end them, or a person, by COMMIT PREPARED or ROLLBACK PREPARED and the gid.
	Ours      bool   `json:"ours"`
	Operation string `json:"operation,omitempty"`

	age time.Duration
}

// List returns what is prepared at the participants, of each ours first, and the oldest. With an error it returns
// what those who could be asked said.
func (c *Coordinator) List(ctx context.Context) (all []Prepared, err error) {
	self, err := c.ready(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	seen := map[string]bool{} // of two participants in one database each lists all
	for _, name := range c.names() {
		found, err := c.listed(ctx, self, name)
		if err != nil {
			errs = append(errs, problem.Wrap(err, problem.Unavailable, "%s cannot be asked", place(name)))
		}
		for _, p := range found {
			if !p.Ours || p.Participant == name {
				key := p.GID + " " + p.Participant
				if !seen[key] {
					all = append(all, p)
				}
				seen[key] = true
			}
		}
	}
	return all, errors.Join(errs...)
}

// Handler serves List to operators as JSON, {"prepared": [...], "error": "..."}: mount it at
// /.muster/twophase, where the edge does not route.
func Handler(c *Coordinator) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			problem.Write(w, r, problem.New(problem.NotFound, "there is no %s %s here", r.Method, r.URL.Path))
			return
		}
		all, err := c.List(r.Context())
		answer := struct {
			Prepared []Prepared `json:"prepared"`
			Error    string     `json:"error,omitempty"`
		}{Prepared: append([]Prepared{}, all...)}
		if err != nil {
			answer.Error = err.Error()
		}
		body, err := json.Marshal(answer)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n')) // else the client is gone
	})
}
