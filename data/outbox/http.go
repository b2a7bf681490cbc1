package outbox

import (
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/musterdev/muster/problem"
)

// MostListed is the most refused messages that Handler lists.
const MostListed = 1000

// Listing is what an outbox holds, as Handler answers it.
type Listing struct {
	Waiting int64     `json:"waiting"`        // not published yet, the refused ones included
	Oldest  float64   `json:"oldest_seconds"` // since the oldest of them was appended
	Refused []Refused `json:"refused"`        // the first of those that the broker refused for good
	More    bool      `json:"more"`           // there are further refused ones
	Log     *Log      `json:"log,omitempty"`  // where messages leave by the database's log: Waiting counts those that must wait beside it
}

// Handler serves the outbox of db to operators, as JSON; errors are problems (RFC
// 9457). It is mounted at /.muster/outbox and below, where the edge does not route:
//
//	GET  /.muster/outbox              Listing, of refused messages 100 or
//	     ?most=1000                   as many as that
//	POST /.muster/outbox/{id}/retry   {"retried": 1}: it is published in its turn
//	POST /.muster/outbox/{id}/discard {"discarded": 1}: it never will be
//	POST /.muster/outbox/log/accept   AcceptLoss, of Acceptance; {"accepted": 1}
func Handler(db *sql.DB) http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(*http.Request) (any, error){
		"GET /.muster/outbox": func(r *http.Request) (any, error) { return listing(r, db) },
		"POST /.muster/outbox/{id}/retry": func(r *http.Request) (any, error) {
			return map[string]int{"retried": 1}, Retry(r.Context(), db, r.PathValue("id"))
		},
		"POST /.muster/outbox/{id}/discard": func(r *http.Request) (any, error) {
			return map[string]int{"discarded": 1}, Discard(r.Context(), db, r.PathValue("id"))
		},
		"POST /.muster/outbox/log/accept": func(r *http.Request) (any, error) { return accept(r, db) },
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			answer, err := serve(r)
			var body []byte
			if err == nil {
				body, err = json.Marshal(answer)
			}
			if err != nil {
				problem.Write(w, r, err)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(append(body, '\n')) // else the client is gone
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.NotFound, "there is no %s %s here", r.Method, r.URL.Path))
	})
	return mux
}

func listing(r *http.Request, db *sql.DB) (l Listing, err error) {
	most, err := mostOf(r.URL.Query())
	if err != nil {
		return l, err
	}
	backlog, err := Waiting(r.Context(), db)
	if err != nil {
		return l, err
	}
	list, err := ListRefused(r.Context(), db, most+1)
	l = Listing{Waiting: backlog.Messages, Oldest: backlog.Oldest.Seconds(), Refused: append([]Refused{}, list[:min(most, len(list))]...), More: len(list) > most, Log: backlog.Log}
	return l, err
}

// Acceptance says who takes a loss as it is, and why.
type Acceptance struct {
	By  string `json:"by"`
	Why string `json:"why"`
}

func accept(r *http.Request, db *sql.DB) (any, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" { // which no other site's form sends
		return nil, problem.New(problem.InvalidArgument, "the content type is not application/json")
	}
	var a Acceptance
	d := json.NewDecoder(io.LimitReader(r.Body, 1<<16))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return nil, problem.New(problem.InvalidArgument, `the body: %v: write {"by": "ann", "why": "…"}`, err)
	}
	return map[string]int{"accepted": 1}, AcceptLoss(r.Context(), db, a.By, a.Why)
}

// mostOf reads the parameters of a list; unknown ones are refused.
func mostOf(query url.Values) (int, error) {
	most := 100
	for name, values := range query {
		var err error
		switch {
		case name != "most":
			err = errors.New("known is most")
		case len(values) > 1:
			err = errors.New("given more than once")
		default:
			if most, err = strconv.Atoi(values[0]); err != nil || most < 1 || most > MostListed {
				err = errors.New("from 1 to " + strconv.Itoa(MostListed))
			}
		}
		if err != nil {
			return 0, problem.New(problem.InvalidArgument, "the parameter %.100s: %s", name, err).WithField(name, err.Error())
		}
	}
	return most, nil
}
