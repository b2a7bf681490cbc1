// Package web serves webhooks to operators: package webhook's methods as JSON over HTTP.
package web

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/webhook"
)

// mostOrder is the most bytes of a request's body.
const mostOrder = 16 << 10

// Listing is the answer to GET /.muster/webhooks.
type Listing struct {
	Endpoints []webhook.Endpoint `json:"endpoints"`
}

// Deliveries is the answer to GET /.muster/webhooks/-/deliveries.
type Deliveries struct {
	Deliveries []webhook.Delivery `json:"deliveries"`
	More       bool               `json:"more"` // perhaps: as many were found as were asked for
}

// Created is the answer to POST /.muster/webhooks, and of rotate.
type Created struct {
	webhook.Endpoint

	Secret webhook.Secret `json:"secret"` // shown this once
}

// Switch is what disable and enable take.
type Switch struct {
	webhook.Note

	Skip bool `json:"skip,omitempty"` // of enable: what waited is given up
}

// Replayed says how many deliveries are sent again.
type Replayed struct {
	Replayed int64 `json:"replayed"`
}

// Range is what a replay of many takes.
type Range struct {
	webhook.Note
	webhook.Filter
}

// Rotation is what rotate takes.
type Rotation struct {
	webhook.Note

	KeepSeconds int64 `json:"keep_seconds,omitempty"` // how long the old secret signs too; 0: a day, less than 0: not at all
}

type handler struct{ *webhook.Webhooks }

// Handler serves webhooks to operators, as JSON; errors are problems (RFC 9457). It is
// mounted at /.muster/webhooks and below, where the edge does not route:
//
//	GET    /.muster/webhooks[?tenant=]                  a [Listing]
//	POST   /.muster/webhooks                            url, tenant, description and topics of an [Endpoint]; 201, a [Created]
//	GET    /.muster/webhooks/{id}                       an [Endpoint]
//	DELETE /.muster/webhooks/{id}                       204
//	POST   /.muster/webhooks/{id}/disable, …/enable     a [Switch]; answered with the Endpoint
//	POST   /.muster/webhooks/{id}/rotate                a [Rotation]; answered with a [Created]
//	GET    /.muster/webhooks/-/deliveries?endpoint=&state=&before=&most=   [Deliveries]
//	POST   /.muster/webhooks/-/deliveries/{id}/replay   a [Note]; answered with a [Replayed]
//	POST   /.muster/webhooks/-/replay                   a [Range]; answered with a [Replayed]
//
// It shows and changes what partners get: serve it to operators only. To let partners
// mend their own endpoints, call the methods from routes that know who asks.
func Handler(w *webhook.Webhooks) http.Handler {
	h := handler{w}
	mux := http.NewServeMux()
	handle := func(pattern string, status int, serve func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
			answer, err := serve(r)
			var body []byte
			if err == nil {
				body, err = json.Marshal(answer)
			}
			if err != nil {
				problem.Write(rw, r, err)
				return
			}
			rw.Header().Set("Cache-Control", "no-store")
			if status == http.StatusNoContent {
				rw.WriteHeader(status)
				return
			}
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(status)
			_, _ = rw.Write(append(body, '\n')) // else the client is gone
		})
	}
	const root, id = "/.muster/webhooks", "/.muster/webhooks/{id}"
	handle("GET "+root, http.StatusOK, h.serveList)
	handle("POST "+root, http.StatusCreated, h.serveCreate)
	handle("GET "+id, http.StatusOK, func(r *http.Request) (any, error) { return w.Endpoint(r.Context(), r.PathValue("id")) })
	handle("DELETE "+id, http.StatusNoContent, func(r *http.Request) (any, error) { return nil, w.Delete(r.Context(), r.PathValue("id")) })
	handle("POST "+id+"/disable", http.StatusOK, h.serveSwitch(false))
	handle("POST "+id+"/enable", http.StatusOK, h.serveSwitch(true))
	handle("POST "+id+"/rotate", http.StatusOK, h.serveRotate)
	handle("GET "+root+"/-/deliveries", http.StatusOK, h.serveDeliveries)
	handle("POST "+root+"/-/deliveries/{id}/replay", http.StatusOK, func(r *http.Request) (any, error) {
		var n webhook.Note
		if err := order(r, &n); err != nil {
			return nil, err
		}
		return Replayed{1}, w.Replay(r.Context(), r.PathValue("id"), n)
	})
	handle("POST "+root+"/-/replay", http.StatusOK, func(r *http.Request) (any, error) {
		var many Range
		if err := order(r, &many); err != nil {
			return nil, err
		}
		n, err := w.ReplayAll(r.Context(), many.Filter, many.Note)
		return Replayed{n}, err
	})
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		problem.Write(rw, r, problem.New(problem.NotFound, "there is no %s %.200s here", r.Method, r.URL.Path))
	})
	return mux
}

func (h handler) serveList(r *http.Request) (any, error) {
	query := r.URL.Query()
	for name := range query {
		if name != "tenant" {
			return nil, unknown(name, "known is tenant")
		}
	}
	list, err := h.Endpoints(r.Context(), query.Get("tenant"))
	return Listing{list}, err
}

func (h handler) serveCreate(r *http.Request) (any, error) {
	var wanted struct {
		URL         string   `json:"url"`
		Tenant      string   `json:"tenant"`
		Description string   `json:"description"`
		Topics      []string `json:"topics"`
	}
	if err := order(r, &wanted); err != nil {
		return nil, err
	}
	e, secret, err := h.Create(r.Context(), webhook.Endpoint{URL: wanted.URL, Tenant: wanted.Tenant, Description: wanted.Description, Topics: wanted.Topics})
	return Created{e, secret}, err
}

func (h handler) serveSwitch(on bool) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var s Switch
		err := order(r, &s)
		switch id := r.PathValue("id"); {
		case err != nil:
		case on:
			err = h.Enable(r.Context(), id, s.Skip, s.Note)
		case s.Skip:
			err = problem.New(problem.InvalidArgument, "skip is for enable").WithField("skip", "unknown")
		default:
			err = h.Disable(r.Context(), id, s.Note)
		}
		if err != nil {
			return nil, err
		}
		return h.Endpoint(r.Context(), r.PathValue("id"))
	}
}

func (h handler) serveRotate(r *http.Request) (any, error) {
	var o Rotation
	if err := order(r, &o); err != nil {
		return nil, err
	}
	const most = 10 * 365 * 24 * 60 * 60 // so that it is a time.Duration
	secret, err := h.Rotate(r.Context(), r.PathValue("id"), time.Duration(min(max(o.KeepSeconds, -1), most))*time.Second, o.Note)
	if err != nil {
		return nil, err
	}
	e, err := h.Endpoint(r.Context(), r.PathValue("id"))
	return Created{e, secret}, err
}

func (h handler) serveDeliveries(r *http.Request) (any, error) {
	f, err := filterOf(r.URL.Query())
	if err != nil {
		return nil, err
	}
	list, err := h.Deliveries(r.Context(), f)
	return Deliveries{list, len(list) == f.Most}, err
}

func unknown(name, known string) error {
	return problem.New(problem.InvalidArgument, "the parameter %.40q: %s", name, known).WithField(name, known)
}

// filterOf reads the parameters of a list. Unknown ones are refused: a filter that is
// passed over would show what was not asked for.
func filterOf(query url.Values) (webhook.Filter, error) {
	f := webhook.Filter{Most: 100}
	for name, values := range query {
		if len(values) > 1 {
			return f, unknown(name, "given more than once")
		}
		switch value := values[0]; name {
		case "endpoint":
			f.Endpoint = value
		case "state":
			f.State = webhook.State(value)
		case "before":
			f.Before = value
		case "most":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > webhook.MostListed {
				return f, unknown(name, "from 1 to "+strconv.Itoa(webhook.MostListed))
			}
			f.Most = n
		default:
			return f, unknown(name, "known are endpoint, state, before and most")
		}
	}
	return f, nil
}

// order reads an order, strictly. Other media types are refused, so that no page of
// another site can send one in a browser's name.
func order(r *http.Request, dst any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		p := problem.New(problem.InvalidArgument, "send application/json")
		p.Status = http.StatusUnsupportedMediaType
		return p
	}
	body := json.NewDecoder(http.MaxBytesReader(nil, r.Body, mostOrder))
	body.DisallowUnknownFields()
	err := body.Decode(dst)
	if err == nil {
		if _, more := body.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the object")
		}
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return problem.Wrap(err, problem.TooLarge, "the body is larger than %d bytes", mostOrder)
	} else if err != nil {
		return problem.Wrap(err, problem.InvalidArgument, `send a JSON object such as {"by": "ann", "why": "their server is back"}: %s`, err)
	}
	return nil
}
