package cdc

import (
	"database/sql"
	"encoding/json"
	"mime"
	"net/http"

	"github.com/musterdev/muster/problem"
)

// Listing is the answer to GET /.muster/cdc.
type Listing struct {
	Followed []Status `json:"followed"`
}

// Note says who has everything copied anew, and why.
type Note struct {
	By  string `json:"by"`
	Why string `json:"why"`
}

// HTTPHandler serves what is followed in db to operators, as JSON; errors are problems (RFC 9457). It is mounted at
// /.muster/cdc and below, where the edge does not route:
//
//	GET  /.muster/cdc               Listing
//	POST /.muster/cdc/{name}/recopy Note; it is Recopy, and answered with the Listing
func HTTPHandler(db *sql.DB) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.muster/cdc", func(w http.ResponseWriter, r *http.Request) { list(w, r, db) })
	mux.HandleFunc("POST /.muster/cdc/{name}/recopy", func(w http.ResponseWriter, r *http.Request) {
		n, err := noteOf(w, r)
		if err == nil {
			err = Recopy(r.Context(), db, r.PathValue("name"), n.By, n.Why)
		}
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		list(w, r, db)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.NotFound, "there is no %s %s here", r.Method, r.URL.Path))
	})
	return mux
}

func list(w http.ResponseWriter, r *http.Request, db *sql.DB) {
	all, err := Stats(r.Context(), db)
	var body []byte
	if err == nil {
		body, err = json.Marshal(Listing{append([]Status{}, all...)})
	}
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(body, '\n')) // else the client is gone
}

// noteOf reads a Note. Other media types are refused, so that no page of another site can send one in a browser's name.
func noteOf(w http.ResponseWriter, r *http.Request) (n Note, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		p := problem.New(problem.InvalidArgument, "send application/json")
		p.Status = http.StatusUnsupportedMediaType
		return n, p
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8<<10))
	body.DisallowUnknownFields()
	if err := body.Decode(&n); err != nil {
		return n, problem.Wrap(err, problem.InvalidArgument, `send a JSON object such as {"by": "ann", "why": "the slot was dropped"}: %s`, err)
	}
	return n, nil
}
