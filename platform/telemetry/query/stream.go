package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

// The times of streams.
const (
	streamEvery = 2 * time.Second  // between two events of a name
	pingEvery   = 10 * time.Second // so that a reader knows that the line is up
	writeWithin = 15 * time.Second // a reader that takes nothing for so long is gone
	mostRecent  = 50               // traces in an event
)

// events writes server-sent events (HTML Living Standard, 9.2).
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// newEvents begins the answer.
func newEvents(w http.ResponseWriter) (*events, error) {
	e := &events{w, http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")                   // some proxies keep it otherwise
	_ = e.control.SetWriteDeadline(time.Now().Add(writeWithin)) // where there is none, there is none to extend
	w.WriteHeader(http.StatusOK)
	return e, e.control.Flush()
}

// send writes one event without flushing. data has no line breaks: it is JSON.
func (e *events) send(name string, data []byte) error {
	_ = e.control.SetWriteDeadline(time.Now().Add(writeWithin))
	_, err := fmt.Fprintf(e.w, "event: %s\ndata: %s\n\n", name, data)
	return err
}

func (a *API) streamLogs(w http.ResponseWriter, r *http.Request, p *params) error {
	q := p.logs()
	if p.err != nil {
		return p.err
	}
	if a.cfg.Live == nil {
		return absent("stream of logs")
	}
	if r.Method == http.MethodHead { // it would not end
		return nil
	}
	tail, err := a.cfg.Live.Tail(q)
	if err != nil {
		return err
	}
	defer tail.Close()
	if e, err := newEvents(w); err == nil {
		_ = e.logs(r.Context(), tail) // the reader is gone: nobody is left to tell
	}
	return nil
}

// logs sends records until the reader is gone.
func (e *events) logs(ctx context.Context, tail *Tail) error {
	for {
		wait, cancel := context.WithTimeout(ctx, pingEvery)
		logs, lost, err := tail.Next(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			err = e.send("ping", []byte("{}"))
		default:
			err = e.records(logs, lost)
		}
		if err := errors.Join(err, e.control.Flush()); err != nil {
			return err
		}
	}
}

func (e *events) records(list []signal.Log, lost int) error {
	for i := range list {
		data, err := json.Marshal(NewLog(&list[i]))
		if err != nil {
			return err
		}
		if err := e.send("log", data); err != nil {
			return err
		}
	}
	if lost == 0 {
		return nil
	}
	return e.send("lost", fmt.Append(nil, lost))
}

// Recent returns summaries of traces whose root span came in after a moment and at least
// a second ago, at most 50, the newest first, and the moment to ask with next. The first
// moment is 0. It needs Config.Live.
func (a *API) Recent(ctx context.Context, after uint64) (list []Summary, next uint64, err error) {
	if a.cfg.Live == nil {
		return nil, after, absent("memory of new traces")
	}
	ids, next := a.cfg.Live.recent(after, mostRecent)
	for _, id := range slices.Backward(ids) {
		spans, err := a.cfg.Store.Trace(ctx, id)
		if errors.Is(err, signal.ErrLarge) {
			list = append(list, tooLarge(id))
			continue
		} else if err != nil {
			return nil, after, err
		}
		if len(spans) > 0 {
			list = append(list, Summarize(spans))
		}
	}
	return list, next, nil
}

// source is an event of the stream: the same for all readers, asked for at most every 2 s.
type source struct {
	ask func(context.Context) (any, error)

	mu   sync.Mutex
	at   time.Time
	last []byte
}

// get returns the event's data, nil when they cannot be had now.
func (s *source) get(ctx context.Context, now time.Time) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || now.Sub(s.at) >= streamEvery/2 || now.Before(s.at) {
		v, err := s.ask(ctx)
		if err != nil {
			return nil
		}
		if s.last, err = json.Marshal(v); err != nil {
			return nil
		}
		s.at = now
	}
	return s.last
}

// Stream answers GET /v1/stream with server-sent events: overview (an Overview of 5 min),
// map (a Map of 5 min), health (a Health) and traces ({"traces": [Summary...]}, those that are
// new, when there are some), each at most every 2 s, and ping every 10 s. Parameter events
// chooses: events=overview,map; without it all are sent that there is a source for.
func (a *API) Stream() http.Handler {
	sources := map[string]*source{}
	if a.cfg.Overview != nil {
		sources["overview"] = &source{ask: func(ctx context.Context) (any, error) { return a.cfg.Overview(ctx, defaultOverview) }}
	}
	if a.cfg.Graph != nil {
		sources["map"] = &source{ask: func(context.Context) (any, error) { return a.cfg.Graph.Map(defaultMap), nil }}
	}
	if a.cfg.Health != nil {
		sources["health"] = &source{ask: func(context.Context) (any, error) { return a.cfg.Health(), nil }}
	}
	return a.get("events", func(w http.ResponseWriter, r *http.Request, p *params) error {
		wanted := []string{"overview", "map", "health", "traces"}
		if text := p.Get("events"); text != "" {
			names := strings.Split(text, ",")
			for _, name := range names {
				if !slices.Contains(wanted, name) {
					return problem.New(problem.InvalidArgument, "parameter events: %.60q is none of %s", name, strings.Join(wanted, ", "))
				}
			}
			wanted = names
		}
		if r.Method == http.MethodHead { // it would not end
			return nil
		}
		if e, err := newEvents(w); err == nil {
			_ = a.follow(r.Context(), e, wanted, sources) // the reader is gone: nobody is left to tell
		}
		return nil
	})
}

// follow sends what is wanted until the reader is gone.
func (a *API) follow(ctx context.Context, e *events, wanted []string, sources map[string]*source) error {
	var moment uint64
	if a.cfg.Live != nil {
		moment = a.cfg.Live.latest()
	}
	tick := time.NewTicker(streamEvery)
	defer tick.Stop()
	for ping := time.Now(); ; {
		for _, name := range wanted {
			var data []byte
			if name == "traces" {
				data, moment = a.newTraces(ctx, moment)
			} else if s := sources[name]; s != nil {
				data = s.get(ctx, a.cfg.Now())
			}
			if data == nil {
				continue
			}
			if err := e.send(name, data); err != nil {
				return err
			}
		}
		if time.Since(ping) >= pingEvery {
			ping = time.Now()
			if err := e.send("ping", []byte("{}")); err != nil {
				return err
			}
		}
		if err := e.control.Flush(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// newTraces returns an event's data, nil when there are none.
func (a *API) newTraces(ctx context.Context, after uint64) (data []byte, next uint64) {
	list, next, err := a.Recent(ctx, after)
	if err != nil || len(list) == 0 {
		return nil, next
	}
	data, err = json.Marshal(struct {
		Traces []Summary `json:"traces"`
	}{list})
	if err != nil {
		return nil, next
	}
	return data, next
}
