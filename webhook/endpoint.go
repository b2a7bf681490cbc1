package webhook

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/webhook/guard"
)

// Endpoint is where somebody wants events, and how it fares.
type Endpoint struct {
	ID          string   `json:"id"` // given by Create
	URL         string   `json:"url"`
	Tenant      string   `json:"tenant,omitempty"` // whose events it gets; "": all
	Description string   `json:"description,omitempty"`
	Topics      []string `json:"topics"` // patterns, as bus.ValidPattern takes them

	Disabled string    `json:"disabled,omitempty"` // why nothing is sent; "": it is enabled
	Failures int       `json:"failures"`           // in a row
	Failing  time.Time `json:"failing,omitzero"`   // since when
	Resumes  time.Time `json:"resumes,omitzero"`   // it is left alone until then
	Status   int       `json:"status,omitempty"`   // of the last failure's answer; 0: there was no answer
	Error    string    `json:"error,omitempty"`    // of the last failure
	Tried    time.Time `json:"tried,omitzero"`     // last
	OK       time.Time `json:"ok,omitzero"`        // when it last took an event, within a second
	Created  time.Time `json:"created"`

	Waiting int64 `json:"waiting"` // events for it
	Dead    int64 `json:"dead"`    // events that were given up
}

const (
	mostURL    = 2000
	mostText   = 500
	mostTopics = 100
)

// check returns what is wrong with an endpoint that is to be created.
func (w *Webhooks) check(e Endpoint) error {
	bad := func(field, format string, args ...any) error {
		return problem.New(problem.InvalidArgument, "the endpoint's "+field+" "+format, args...).WithField(field, "malformed")
	}
	u, err := url.Parse(e.URL)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || len(e.URL) > mostURL:
		return bad("url", "must be an absolute URL of at most %d characters, such as https://example.com/webhooks", mostURL)
	case u.Scheme != "https" && (u.Scheme != "http" || !w.c.Plain):
		return bad("url", "must begin with https://")
	case u.User != nil || u.Fragment != "":
		return bad("url", "may have neither a user nor a fragment")
	case len(e.Tenant) > mostText || len(e.Description) > mostText || strings.ToValidUTF8(e.Tenant+e.Description, "") != e.Tenant+e.Description || strings.ContainsRune(e.Tenant+e.Description, 0):
		return bad("description", "and tenant have at most %d bytes of text each", mostText)
	case len(e.Topics) == 0 || len(e.Topics) > mostTopics:
		return bad("topics", "are 1 to %d patterns, such as orders.*", mostTopics)
	}
	for _, p := range e.Topics {
		if err := bus.ValidPattern(p); err != nil {
			return bad("topics", "are wrong: %s", strings.TrimPrefix(err.Error(), "bus: "))
		}
	}
	// A name is judged when it is dialed; an address can be said to be wrong now.
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := (guard.Guard{Allow: w.c.Allow}).Check(a); err != nil {
			return problem.Wrap(err, problem.InvalidArgument, "the endpoint's url names %s, which is not an address of the public Internet", a).WithField("url", "not public")
		}
	}
	return nil
}

// Create makes an endpoint of URL, Tenant, Description and Topics, and the secret that its
// owner verifies posts with; it is shown this once. invalid_argument says what is wrong.
//
// It gets what is appended from then on. The secret is kept as it is, for it must sign: who
// reads the database can.
func (w *Webhooks) Create(ctx context.Context, e Endpoint) (Endpoint, Secret, error) {
	if err := w.check(e); err != nil {
		return Endpoint{}, "", err
	}
	topics, err := json.Marshal(e.Topics)
	if err != nil {
		return Endpoint{}, "", explain(err)
	}
	id, secret := "ep-"+strings.ToLower(rand.Text()), NewSecret()
	_, err = w.db.ExecContext(ctx, `INSERT INTO muster_webhook_endpoint (id, url, tenant, description, topics, secret) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, e.URL, e.Tenant, e.Description, string(topics), string(secret))
	if err != nil {
		return Endpoint{}, "", explain(err)
	}
	made, err := w.Endpoint(ctx, id)
	return made, secret, err
}

const endpointColumns = `id, url, tenant, description, topics, disabled, failures, failing_since, not_before, last_status, last_error, last_tried, last_ok, created,
	(SELECT count(*) FROM muster_webhook_delivery d WHERE d.endpoint = e.id AND d.state = 'waiting'),
	(SELECT count(*) FROM muster_webhook_delivery d WHERE d.endpoint = e.id AND d.state = 'dead')`

func scanEndpoint(row interface{ Scan(dest ...any) error }) (e Endpoint, err error) {
	var topics string
	var failing, resumes, tried, ok, created int64
	if err := row.Scan(&e.ID, &e.URL, &e.Tenant, &e.Description, &topics, &e.Disabled, &e.Failures, &failing, &resumes, &e.Status, &e.Error,
		&tried, &ok, &created, &e.Waiting, &e.Dead); err != nil {
		return e, err
	}
	e.Failing, e.Resumes, e.Tried, e.OK, e.Created = at(failing), at(resumes), at(tried), at(ok), at(created)
	return e, json.Unmarshal([]byte(topics), &e.Topics)
}

// at is a time of the tables.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// querier is a *sql.DB or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Endpoint returns one endpoint, or not_found.
func (w *Webhooks) Endpoint(ctx context.Context, id string) (Endpoint, error) {
	return w.endpoint(ctx, w.db, id)
}

func (w *Webhooks) endpoint(ctx context.Context, q querier, id string) (Endpoint, error) {
	e, err := scanEndpoint(q.QueryRowContext(ctx, `SELECT `+endpointColumns+` FROM muster_webhook_endpoint e WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return e, noEndpoint(id)
	}
	return e, explain(err)
}

func noEndpoint(id string) error {
	return problem.New(problem.NotFound, "there is no endpoint %.60q", id)
}

// Endpoints returns those of a tenant, "" for all, in the order in which they were made; at
// most [MostListed].
func (w *Webhooks) Endpoints(ctx context.Context, tenant string) ([]Endpoint, error) {
	rows, err := w.db.QueryContext(ctx, `SELECT `+endpointColumns+` FROM muster_webhook_endpoint e WHERE $1 = '' OR tenant = $1 ORDER BY created, id LIMIT $2`, tenant, MostListed)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	list := []Endpoint{}
	for rows.Next() {
		e, err := scanEndpoint(rows)
		if err != nil {
			return nil, explain(err)
		}
		list = append(list, e)
	}
	return list, explain(rows.Err())
}

// Delete forgets an endpoint and what waits for it. Errors are not_found and those of the
// database.
func (w *Webhooks) Delete(ctx context.Context, id string) error {
	return tx.Do(ctx, w.db, func(ctx context.Context, t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `DELETE FROM muster_webhook_delivery WHERE endpoint = $1`, id); err != nil {
			return explain(err)
		}
		return one(id)(t.ExecContext(ctx, `DELETE FROM muster_webhook_endpoint WHERE id = $1`, id))
	})
}

// one makes of a statement that changed no endpoint not_found.
func one(id string) func(sql.Result, error) error {
	return func(res sql.Result, err error) error {
		if err != nil {
			return explain(err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return explain(err)
		}
		return noEndpoint(id)
	}
}

// Rotate gives an endpoint a new secret, which it returns. For as long as keep, at most
// Config.Keep, posts are signed with the old one too; 0 means 24 h, less than 0 not at all:
// for a secret that became known. Errors are not_found and invalid_argument for a bad note.
func (w *Webhooks) Rotate(ctx context.Context, id string, keep time.Duration, n Note) (Secret, error) {
	if err := n.check(); err != nil {
		return "", err
	}
	if keep == 0 {
		keep = 24 * time.Hour
	}
	secret := NewSecret()
	return secret, w.told(ctx, "gave a new secret to", id, n, one(id))(w.db.ExecContext(ctx, w.sql(`UPDATE muster_webhook_endpoint SET old_secret = secret, old_until = NOW + $1, secret = $2 WHERE id = $3`),
		min(keep, w.c.Keep).Milliseconds(), string(secret), id))
}

// Note says who interfered and why.
type Note struct {
	By  string `json:"by"`  // 1 to 100 bytes
	Why string `json:"why"` // 1 to 300 bytes
}

func (n Note) check() error {
	const by, why = 100, 300
	text := n.By + n.Why
	if strings.TrimSpace(n.By) == "" || strings.TrimSpace(n.Why) == "" || len(n.By) > by || len(n.Why) > why || strings.ToValidUTF8(text, "") != text || strings.ContainsRune(text, 0) {
		return problem.New(problem.InvalidArgument, "say who interferes with webhooks, and why: by has 1 to %d bytes, why 1 to %d", by, why).WithField("by", "required").WithField("why", "required")
	}
	return nil
}

// Disable has nothing more sent to an endpoint; its events wait. Errors are not_found and
// invalid_argument for a bad note. What is just being posted is not recalled.
func (w *Webhooks) Disable(ctx context.Context, id string, n Note) error {
	if err := n.check(); err != nil {
		return err
	}
	return w.told(ctx, "disabled", id, n, one(id))(w.db.ExecContext(ctx, `UPDATE muster_webhook_endpoint SET disabled = $1 WHERE id = $2`,
		fmt.Sprintf("by %s: %s", n.By, n.Why), id))
}

// Enable has an endpoint sent to again, what waited first, as if nothing had failed. With
// skip what waited is given up instead, as if it had failed for good. Errors are those of
// [Webhooks.Disable].
func (w *Webhooks) Enable(ctx context.Context, id string, skip bool, n Note) error {
	if err := n.check(); err != nil {
		return err
	}
	err := tx.Do(ctx, w.db, func(ctx context.Context, t *sql.Tx) error {
		what := `attempts = 0, next = 0`
		if skip {
			what = `state = 'dead', fence = fence + 1, error = 'skipped by a person'`
		}
		if _, err := t.ExecContext(ctx, `UPDATE muster_webhook_delivery SET `+what+` WHERE endpoint = $1 AND state = 'waiting'`, id); err != nil {
			return explain(err)
		}
		return w.told(ctx, "enabled", id, n, one(id))(t.ExecContext(ctx, `UPDATE muster_webhook_endpoint
			SET disabled = '', failures = 0, failing_since = 0, not_before = 0 WHERE id = $1`, id))
	})
	w.wake()
	return err
}

// told logs what a person did, if it was done.
func (w *Webhooks) told(ctx context.Context, what, id string, n Note, next func(sql.Result, error) error) func(sql.Result, error) error {
	return func(res sql.Result, err error) error {
		if err = next(res, err); err == nil {
			w.log.WarnContext(ctx, "webhook: a person "+what+" an endpoint", "endpoint", id, "by", n.By, "why", n.Why)
		}
		return err
	}
}
