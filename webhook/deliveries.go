package webhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/problem"
)

// State is where a delivery stands.
type State string

// The states.
const (
	Waiting   State = "waiting" // to be posted, for the first time or again
	Delivered State = "delivered"
	Dead      State = "dead" // given up: its tries are used up, or a person or the endpoint did not want it
)

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID       string    `json:"id"` // for Replay
	Endpoint string    `json:"endpoint"`
	Message  string    `json:"message"` // the webhook-id
	Topic    string    `json:"topic"`
	Source   string    `json:"source"`
	Event    string    `json:"event"` // its id within Source
	State    State     `json:"state"`
	Trying   bool      `json:"trying"`            // it is being posted just now
	Attempts int       `json:"attempts"`          // that were made
	Next     time.Time `json:"next,omitzero"`     // of one that waits: not before this
	Status   int       `json:"status,omitempty"`  // of the last answer
	Error    string    `json:"error,omitempty"`   // of the last attempt
	Answer   string    `json:"answer,omitempty"`  // the beginning of the last answer's body
	TookMS   int64     `json:"took_ms,omitempty"` // of the last attempt
	Tried    time.Time `json:"tried,omitzero"`    // last
	Appended time.Time `json:"appended"`          // when the event was appended
}

// Filter chooses deliveries. Its zero value chooses all.
type Filter struct {
	Endpoint string    `json:"endpoint,omitempty"` // "": any
	State    State     `json:"state,omitempty"`    // "": any
	From     time.Time `json:"from,omitzero"`      // of events appended then or later
	To       time.Time `json:"to,omitzero"`        // of events appended before
	Before   string    `json:"before,omitempty"`   // only those older than this ID, to page on
	Most     int       `json:"most,omitempty"`     // 1 to MostListed; 0: 100
}

// MostListed is the most endpoints, or deliveries, that are listed.
const MostListed = 1000

// where makes conditions of a filter.
func (f Filter) where() (string, []any, error) {
	conditions, args := []string{"d.event = v.id"}, []any{}
	add := func(condition string, value any) {
		args = append(args, value)
		conditions = append(conditions, fmt.Sprintf(condition, len(args)))
	}
	if f.Endpoint != "" {
		add("d.endpoint = $%d", f.Endpoint)
	}
	switch f.State {
	case "":
	case Waiting, Delivered, Dead:
		add("d.state = $%d", string(f.State))
	default:
		return "", nil, problem.New(problem.InvalidArgument, "no delivery is in the state %.40q", string(f.State)).WithField("state", "waiting, delivered or dead")
	}
	if !f.From.IsZero() {
		add("v.created >= $%d", f.From.UnixMilli())
	}
	if !f.To.IsZero() {
		add("v.created < $%d", f.To.UnixMilli())
	}
	if f.Before != "" {
		id, err := strconv.ParseInt(f.Before, 10, 64)
		if err != nil {
			return "", nil, problem.New(problem.InvalidArgument, "there is no place before %.40q", f.Before).WithField("before", "the id of a delivery")
		}
		add("d.id < $%d", id)
	}
	if f.Most < 0 || f.Most > MostListed {
		return "", nil, problem.New(problem.InvalidArgument, "at most %d are listed", MostListed).WithField("most", "1 to "+strconv.Itoa(MostListed))
	}
	return strings.Join(conditions, " AND "), args, nil
}

// Deliveries returns deliveries, the newest first. invalid_argument says what is wrong with
// the filter.
func (w *Webhooks) Deliveries(ctx context.Context, f Filter) ([]Delivery, error) {
	where, args, err := f.where()
	if err != nil {
		return nil, err
	}
	most := f.Most
	if most == 0 {
		most = 100
	}
	rows, err := w.db.QueryContext(ctx, w.sql(`SELECT d.id, d.endpoint, v.message, v.topic, v.source, v.event, d.state, d.leased_until > NOW, d.attempts, d.next,
		d.status, d.error, d.answer, d.took, d.tried, v.created FROM muster_webhook_delivery d, muster_webhook_event v WHERE `)+where+fmt.Sprintf(` ORDER BY d.id DESC LIMIT %d`, most), args...)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	list := []Delivery{}
	for rows.Next() {
		var d Delivery
		var id, next, tried, created int64
		if err := rows.Scan(&id, &d.Endpoint, &d.Message, &d.Topic, &d.Source, &d.Event, &d.State, &d.Trying, &d.Attempts, &next,
			&d.Status, &d.Error, &d.Answer, &d.TookMS, &tried, &created); err != nil {
			return nil, explain(err)
		}
		d.ID, d.Tried, d.Appended = strconv.FormatInt(id, 10), at(tried), at(created)
		if d.State == Waiting {
			d.Next = at(next)
		}
		list = append(list, d)
	}
	return list, explain(rows.Err())
}

// again is what has a delivery sent as if for the first time. Who is just posting it is not
// listened to any more.
const again = `UPDATE muster_webhook_delivery SET state = 'waiting', attempts = 0, next = 0, leased_until = 0, fence = fence + 1`

// Replay has one delivery sent now, as if for the first time, whatever became of it: the
// receiver sees the same webhook-id. Errors are not_found, failed_precondition for one that is
// being posted just now, and invalid_argument for a bad note. Of a disabled endpoint it waits.
func (w *Webhooks) Replay(ctx context.Context, id string, n Note) error {
	if err := n.check(); err != nil {
		return err
	}
	missing := problem.New(problem.NotFound, "there is no delivery %.40q", id)
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return missing
	}
	err = w.do(ctx, func(ctx context.Context, t *sql.Tx) error {
		res, err := t.ExecContext(ctx, w.sql(again+` WHERE id = $1 AND leased_until <= NOW`), number)
		if err != nil {
			return explain(err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return explain(err)
		}
		var there int64
		err = t.QueryRowContext(ctx, `SELECT id FROM muster_webhook_delivery WHERE id = $1`, number).Scan(&there)
		if errors.Is(err, sql.ErrNoRows) {
			return missing
		} else if err != nil {
			return explain(err)
		}
		return problem.New(problem.FailedPrecondition, "the delivery %s is being posted just now: look again in a few seconds", id)
	})
	if err != nil {
		return err
	}
	w.log.WarnContext(ctx, "webhook: a person replayed a delivery", "delivery", id, "by", n.By, "why", n.Why)
	w.wake()
	return nil
}

// ReplayAll has all deliveries sent again that f chooses, but those that are being posted
// just now, and returns how many they are. f must name the endpoint; without a State those
// that are dead are meant. Before and Most do not count.
func (w *Webhooks) ReplayAll(ctx context.Context, f Filter, n Note) (int64, error) {
	if err := n.check(); err != nil {
		return 0, err
	}
	if f.State == "" {
		f.State = Dead
	}
	f.Before, f.Most = "", 0
	where, args, err := f.where()
	if err != nil {
		return 0, err
	}
	if _, err := w.Endpoint(ctx, f.Endpoint); err != nil {
		return 0, err
	}
	var count int64
	err = w.do(ctx, func(ctx context.Context, t *sql.Tx) error {
		res, err := t.ExecContext(ctx, w.sql(again+` WHERE leased_until <= NOW AND id IN (SELECT d.id FROM muster_webhook_delivery d, muster_webhook_event v WHERE `+where+`)`), args...)
		if err == nil {
			count, err = res.RowsAffected()
		}
		return explain(err)
	})
	if err != nil {
		return 0, err
	}
	w.log.WarnContext(ctx, "webhook: a person replayed deliveries", "endpoint", f.Endpoint, "deliveries", count, "by", n.By, "why", n.Why)
	w.wake()
	return count, nil
}
