package projection

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/musterdev/muster/problem"
)

// Listing is the answer to GET /.muster/projections, by the projections' names.
type Listing struct {
	Projections map[string][]Status `json:"projections"`
}

// Handler serves projections to operators, as JSON; errors are problems (RFC 9457). It is mounted at
// /.muster/projections and below, where the edge does not route. Of two of one name the later given is served.
//
//	GET  /.muster/projections                 Listing
//	POST /.muster/projections/{name}/rebuild  Note; answered with its builds
//	POST /.muster/projections/{name}/accept
func Handler(all ...*Projection) http.Handler {
	named := map[string]*Projection{}
	for _, p := range all {
		named[p.Name] = p
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.muster/projections", func(w http.ResponseWriter, r *http.Request) {
		answer := Listing{map[string][]Status{}}
		var err error
		for name, p := range named {
			if answer.Projections[name], err = p.Stats(r.Context()); err != nil {
				break
			}
		}
		write(w, r, answer, err)
	})
	mux.HandleFunc("POST /.muster/projections/{name}/{what}", func(w http.ResponseWriter, r *http.Request) {
		answer, err := interfere(named, w, r)
		write(w, r, answer, err)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.NotFound, "there is no %s %s here", r.Method, r.URL.Path))
	})
	return mux
}

func write(w http.ResponseWriter, r *http.Request, answer any, err error) {
	var body []byte
	if err == nil {
		body, err = json.Marshal(answer)
	}
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(body, '\n')) // else the client is gone
}

func interfere(named map[string]*Projection, w http.ResponseWriter, r *http.Request) ([]Status, error) {
	p := named[r.PathValue("name")]
	if p == nil {
		return nil, problem.New(problem.NotFound, "there is no projection %.60q here", r.PathValue("name"))
	}
	act, ok := map[string]func(context.Context, Note) error{"rebuild": p.Rebuild, "accept": p.Accept}[r.PathValue("what")]
	if !ok {
		return nil, problem.New(problem.NotFound, "a projection takes rebuild and accept, not %.60q", r.PathValue("what"))
	}
	n, err := noteOf(w, r)
	if err == nil {
		err = act(r.Context(), n)
	}
	if err != nil {
		return nil, err
	}
	return p.Stats(r.Context())
}

// noteOf reads a Note, strictly. Other media types are refused, so that no page of
// another site can send one in a browser's name.
func noteOf(w http.ResponseWriter, r *http.Request) (n Note, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		p := problem.New(problem.InvalidArgument, "send application/json")
		p.Status = http.StatusUnsupportedMediaType
		return n, p
	}
	const most = 8 << 10
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	body.DisallowUnknownFields()
	if err = body.Decode(&n); err == nil {
		if _, more := body.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the object")
		}
	}
	if err != nil {
		return n, problem.Wrap(err, problem.InvalidArgument, `send a JSON object such as {"by": "ann", "why": "the price was rounded"}: %s`, err)
	}
	return n, nil
}
