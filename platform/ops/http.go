package ops

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/problem"
)

// ActionHeader is the header without which [Handler] orders nothing: a page from
// elsewhere cannot set it without being asked first (Fetch, "CORS-preflight request").
const ActionHeader = "Muster-Action"

// maxOrder bounds the body of an order.
const maxOrder = 16 << 10

// Missing is a service that could not be asked, and why.
type Missing struct {
	Error string `json:"error"`
}

// SagaList is what [Handler] answers of sagas.
type SagaList struct {
	Sagas   []Saga               `json:"sagas"`  // the last changed first
	All     int64                `json:"all"`    // how many there are that the filter takes
	Counts  map[saga.State]int64 `json:"counts"` // how many it would take of each state
	Held    []Held               `json:"held"`   // steps, whatever the filter
	Missing []Missing            `json:"missing"`
}

// Queues is what [Handler] answers of events.
type Queues struct {
	Lag
	Topics  []bus.TopicInfo `json:"topics"`
	Dead    []Parked        `json:"dead"`
	More    bool            `json:"more"`   // there are further dead ones
	Broker  bool            `json:"broker"` // the fleet has one
	Missing []Missing       `json:"missing"`
}

// Handler shows sagas, queues and calls and takes orders, for the dashboard:
//
//	GET  /v1/ops/sagas?service=&name=&state=&limit=      SagaList
//	GET  /v1/ops/sagas/{service}/{name}/{id}             SagaDetail
//	POST /v1/ops/sagas/{service}/{name}/{id}/{order}     retry, skip, compensate, pause or resume; a saga.Note; SagaDetail
//	POST /v1/ops/sagas/{service}/{name}/{id}/edit        a saga.Edited; SagaDetail
//	POST /v1/ops/sagas/{service}/retry                   a saga.Bulk; saga.Bulked
//	POST /v1/ops/sagas/{service}/resume                  a saga.Resume, of a step; saga.Resumed
//	GET  /v1/ops/queues                                  Queues
//	GET  /v1/ops/calls                                   Calls
//	POST /v1/ops/dead/{service}/{id}/{order}             redrive or discard
//	POST /v1/ops/redrive                                 {"group"}: {"redriven"}
//
// An order needs [ActionHeader]. fleet tells whom to ask; it is called for each request.
func Handler(fleet func() *Fleet) http.Handler {
	h := &handler{fleet}
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(http.ResponseWriter, *http.Request) (any, error){
		"GET /v1/ops/sagas":                                h.sagas,
		"GET /v1/ops/sagas/{service}/{name}/{id}":          h.saga,
		"POST /v1/ops/sagas/{service}/{name}/{id}/{order}": h.interfere,
		"POST /v1/ops/sagas/{service}/retry":               h.retryAll,
		"POST /v1/ops/sagas/{service}/resume":              h.resumeStep,
		"GET /v1/ops/queues":                               h.queues,
		"GET /v1/ops/calls":                                h.calls,
		"POST /v1/ops/dead/{service}/{id}/{order}":         h.settle,
		"POST /v1/ops/redrive":                             h.redrive,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := ordered(r); err != nil {
				problem.Write(w, r, err)
				return
			}
			v, err := answer(w, r)
			if err != nil {
				problem.Write(w, r, plain(err))
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			_ = json.NewEncoder(w).Encode(v) // if the reader is gone, nobody is left to tell
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.NotFound, "there is no %s %.200q", r.Method, r.URL.Path))
	})
	return mux
}

type handler struct{ fleet func() *Fleet }

// ordered refuses a POST that a page from elsewhere may have had the browser send.
func ordered(r *http.Request) error {
	if r.Method == http.MethodPost && r.Header.Get(ActionHeader) == "" {
		return problem.New(problem.PermissionDenied, "an order needs the header %s: yes", ActionHeader)
	}
	return nil
}

// plain makes an error that has no code of its own one that others are to blame for: the
// services' words are for people here.
func plain(err error) error {
	if _, coded := errors.AsType[*problem.Error](err); coded {
		return err
	}
	return problem.Wrap(err, problem.Unavailable, "%v", err)
}

func missing(err error) []Missing {
	list := []Missing{}
	if err == nil {
		return list
	}
	failed, ok := errors.AsType[Failures](err)
	if !ok {
		failed = Failures{err}
	}
	for _, e := range failed {
		list = append(list, Missing{withoutCodes(e.Error())})
	}
	return list
}

func (h *handler) sagas(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := r.URL.Query()
	filter := saga.Filter{Name: q.Get("name"), State: saga.State(q.Get("state")), Limit: 200}
	states := []saga.State{"", saga.Running, saga.Waiting, saga.Compensating, saga.Paused, saga.Completed, saga.Compensated}
	if !slices.Contains(states, filter.State) {
		return nil, problem.New(problem.InvalidArgument, "no saga is in that state").WithField("state", "must be running, waiting, compensating, paused, completed or compensated")
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return nil, problem.New(problem.InvalidArgument, "the limit is out of range").WithField("limit", "must be 1 to 1000")
		}
		filter.Limit = n
	}
	f := h.fleet()
	if name := q.Get("service"); name != "" {
		one, err := f.only(name)
		if err != nil {
			return nil, err
		}
		f.Services = one
	}
	list, counts, held, err := f.sagas(r.Context(), filter)
	return SagaList{append([]Saga{}, list...), of(counts, filter.State), counts, append([]Held{}, held...), missing(err)}, nil
}

func name(r *http.Request) SagaName {
	return SagaName{Service: r.PathValue("service"), Name: r.PathValue("name"), ID: r.PathValue("id")}
}

func (h *handler) saga(_ http.ResponseWriter, r *http.Request) (any, error) {
	return h.fleet().Saga(r.Context(), name(r))
}

func (h *handler) interfere(w http.ResponseWriter, r *http.Request) (any, error) {
	order := r.PathValue("order")
	if order == "edit" {
		var ed saga.Edited
		if err := decode(w, r, &ed, maxOrder+2*saga.MaxData); err != nil {
			return nil, err
		}
		return h.fleet().Edit(r.Context(), name(r), ed)
	}
	if !slices.Contains([]string{"retry", "skip", "compensate", "pause", "resume"}, order) {
		return nil, problem.New(problem.NotFound, "a saga can be told to retry, skip, compensate, pause, resume or edit, not %.40q", order)
	}
	var note saga.Note
	if err := decode(w, r, &note, maxOrder); err != nil {
		return nil, err
	}
	return h.fleet().Interfere(r.Context(), name(r), order, note)
}

func (h *handler) retryAll(w http.ResponseWriter, r *http.Request) (any, error) {
	var b saga.Bulk
	if err := decode(w, r, &b, maxOrder); err != nil {
		return nil, err
	}
	return h.fleet().RetryAll(r.Context(), r.PathValue("service"), b)
}

func (h *handler) resumeStep(w http.ResponseWriter, r *http.Request) (any, error) {
	var o saga.Resume
	if err := decode(w, r, &o, maxOrder); err != nil {
		return nil, err
	}
	done, _, err := h.fleet().ResumeStep(r.Context(), r.PathValue("service"), StepName{o.Name, o.Step, o.Undoing}, o.Note)
	return done, err
}

func (h *handler) queues(_ http.ResponseWriter, r *http.Request) (any, error) {
	f := h.fleet()
	q := Queues{Topics: []bus.TopicInfo{}, Dead: []Parked{}, Broker: f.Broker != ""}
	lag, err := f.Lag(r.Context())
	q.Lag = lag
	topics, unheard := f.Topics(r.Context())
	dead, more, unasked := f.Dead(r.Context(), "")
	q.Topics, q.Dead, q.More = append(q.Topics, topics...), append(q.Dead, dead...), more
	if q.Broker {
		q.Missing = missing(together(err, together(unheard, unasked)))
	} else {
		q.Missing = missing(unasked) // a fleet without events is whole
	}
	return q, nil
}

func (h *handler) calls(_ http.ResponseWriter, r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), callsWithin)
	defer cancel()
	return h.fleet().calls(ctx), nil
}

func (h *handler) settle(_ http.ResponseWriter, r *http.Request) (any, error) {
	order := r.PathValue("order")
	if order != "redrive" && order != "discard" {
		return nil, problem.New(problem.NotFound, "a message can be told to redrive or discard, not %.40q", order)
	}
	return h.fleet().Settle(r.Context(), r.PathValue("service")+"/"+r.PathValue("id"), order)
}

func (h *handler) redrive(w http.ResponseWriter, r *http.Request) (any, error) {
	var order struct {
		Group string `json:"group"`
	}
	if err := decode(w, r, &order, maxOrder); err != nil {
		return nil, err
	}
	if order.Group == "" {
		return nil, problem.New(problem.InvalidArgument, "which messages?").WithField("group", "must name the group")
	}
	n, err := h.fleet().RedriveAll(r.Context(), order.Group)
	return map[string]int64{"redriven": n}, err
}

func decode(w http.ResponseWriter, r *http.Request, out any, most int64) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		return problem.New(problem.InvalidArgument, "the body is not the JSON that is wanted: %v", err)
	}
	return nil
}
