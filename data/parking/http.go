package parking

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/musterdev/muster/problem"
)

// maxBody is the most bytes of a request's body.
const maxBody = 4 << 10

// Handler serves what is parked in a store to operators, as JSON; errors are problems
// (RFC 9457). It is mounted at /.muster/bus, where the edge does not route:
//
//	GET  /.muster/bus/parked              {"parked": [Entry, …], "more": false}
//	     ?group= &topic= &key= &dead=true &after=ID &most=100
//	GET  /.muster/bus/counts              {"groups": [Count, …]}
//	POST /.muster/bus/parked/{id}/redrive {"redriven": 1}
//	POST /.muster/bus/parked/{id}/discard {"discarded": Entry}
//	POST /.muster/bus/redrive             {"redriven": n}: all that is dead
//	     {"group": "notify"}              of one group; "" or no body: of all
func Handler(s *Store) http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(*http.Request) (any, error){
		"GET /.muster/bus/parked":               s.serveList,
		"GET /.muster/bus/counts":               s.serveCounts,
		"POST /.muster/bus/parked/{id}/redrive": s.serveRedrive,
		"POST /.muster/bus/parked/{id}/discard": s.serveDiscard,
		"POST /.muster/bus/redrive":             s.serveRedriveAll,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			answer, err := serve(r)
			if err != nil {
				problem.Write(w, r, err)
				return
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
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.NotFound, "there is no %s %s here", r.Method, r.URL.Path))
	})
	return mux
}

func (s *Store) serveList(r *http.Request) (any, error) {
	f, err := filterOf(r.URL.Query())
	if err != nil {
		return nil, err
	}
	list, err := s.List(r.Context(), f)
	return map[string]any{"parked": list, "more": len(list) == f.Most}, err
}

func (s *Store) serveCounts(r *http.Request) (any, error) {
	list, err := s.Counts(r.Context())
	return map[string]any{"groups": list}, err
}

func (s *Store) serveRedrive(r *http.Request) (any, error) {
	return map[string]any{"redriven": 1}, s.Redrive(r.Context(), r.PathValue("id"))
}

func (s *Store) serveDiscard(r *http.Request) (any, error) {
	e, err := s.Discard(r.Context(), r.PathValue("id"))
	return map[string]any{"discarded": e}, err
}

func (s *Store) serveRedriveAll(r *http.Request) (any, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, problem.Wrap(err, problem.InvalidArgument, "the request's body did not arrive whole")
	}
	if len(body) > maxBody {
		return nil, problem.New(problem.TooLarge, "the request's body has more than %d bytes", maxBody)
	}
	var which struct {
		Group string `json:"group"`
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &which); err != nil {
			return nil, problem.Wrap(err, problem.InvalidArgument, `the request's body is not JSON such as {"group": "notify"}`)
		}
	}
	n, err := s.RedriveAll(r.Context(), which.Group)
	return map[string]any{"redriven": n}, err
}

var errMost = errors.New("from 1 to " + strconv.Itoa(MostListed))

// filterOf reads the parameters of a list. Unknown ones are refused: a filter that is
// passed over would show, and lead to settle, what was not asked for.
func filterOf(query url.Values) (Filter, error) {
	f := Filter{Most: 100}
	for name, values := range query {
		value, err := values[0], error(nil)
		switch name {
		case "group":
			f.Group = value
		case "topic":
			f.Topic = value
		case "key":
			f.Key = value
		case "after":
			f.After = value
		case "dead":
			f.Dead, err = strconv.ParseBool(value)
			if err != nil {
				err = errors.New("true or false")
			}
		case "most":
			if f.Most, err = strconv.Atoi(value); err != nil || f.Most < 1 || f.Most > MostListed {
				err = errMost
			}
		default:
			err = errors.New("known are group, topic, key, dead, after and most")
		}
		if err == nil && len(values) > 1 {
			err = errors.New("given more than once")
		}
		if err != nil {
			return f, problem.New(problem.InvalidArgument, "the parameter %s: %s", name, err).WithField(name, err.Error())
		}
	}
	return f, nil
}
