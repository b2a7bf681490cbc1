package registry

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/problem"
)

// newRoutes returns the handler of the protocol. Every error is a problem document.
func (r *Registry) newRoutes() http.Handler {
	mux := http.NewServeMux()
	for path, methods := range map[string]map[string]answer{
		"/v1/instances/{id}":           {http.MethodPut: r.putInstance, http.MethodDelete: r.deleteInstance},
		"/v1/instances/{id}/state":     {http.MethodPut: r.putState},
		"/v1/services":                 {http.MethodGet: r.getServices},
		"/v1/services/{name}":          {http.MethodGet: r.getService},
		"/v1/services/{name}/settings": {http.MethodPut: r.putSettings, http.MethodDelete: r.deleteSettings},
		"/v1/watch":                    {http.MethodGet: r.getWatch},
	} {
		var allowed []string
		for method, a := range methods {
			mux.Handle(method+" "+path, a)
			allowed = append(allowed, method)
		}
		slices.Sort(allowed)
		mux.Handle(path, methodNotAllowed(allowed))
	}
	mux.Handle("/", answer(func(_ http.ResponseWriter, req *http.Request) (any, error) {
		return nil, noSuchPath(req.URL.Path)
	}))
	return mux
}

func noSuchPath(path string) error {
	return problem.New(problem.NotFound, "the registry has no %.200q; it has /v1/instances/{id}, /v1/services and /v1/watch", path)
}

// answer handles a request and returns what to answer, nil for 204. The writer is
// for what is not the answer itself.
type answer func(http.ResponseWriter, *http.Request) (any, error)

func (a answer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	out, err := a(w, req)
	if err != nil {
		problem.Write(w, req, err)
		return
	}
	if out == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(out) //nolint:errchkjson // the wire types always encode; if the caller is gone, nobody is left to tell
}

func methodNotAllowed(allowed []string) answer {
	return func(w http.ResponseWriter, req *http.Request) (any, error) {
		w.Header()["Allow"] = []string{strings.Join(allowed, ", ")}
		e := problem.New(problem.Unimplemented, "%.20s is not possible here; use %s", req.Method, strings.Join(allowed, " or "))
		e.Status = http.StatusMethodNotAllowed
		return nil, e
	}
}

func (r *Registry) putInstance(w http.ResponseWriter, req *http.Request) (any, error) {
	var in discovery.Instance
	if err := decode(w, req, &in); err != nil {
		return nil, err
	}
	id := req.PathValue("id")
	if in.ID == "" {
		in.ID = id
	}
	if in.ID != id {
		return nil, problem.New(problem.InvalidArgument, "the instance cannot be registered").
			WithField("id", "differs from the id in the path; leave it out")
	}
	if in.State == "" {
		in.State = discovery.Ready
	}
	if in.Endpoints == nil {
		in.Endpoints = map[string]string{} // {} and not null for all who read it
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	by, err := holder(req)
	if err != nil {
		return nil, err
	}
	var reg discovery.Registration
	r.change(func(s *Store, now time.Time) { reg, err = s.Put(in, by, now) })
	if err != nil {
		return nil, err
	}
	return reg, nil
}

func (r *Registry) deleteInstance(_ http.ResponseWriter, req *http.Request) (any, error) {
	id, err := instanceID(req)
	if err != nil {
		return nil, err
	}
	by, err := holder(req)
	if err != nil {
		return nil, err
	}
	r.change(func(s *Store, now time.Time) { s.Delete(id, by, now) }) // gone either way
	return nil, nil                                                   //nolint:nilnil // 204
}

func (r *Registry) putState(w http.ResponseWriter, req *http.Request) (any, error) {
	id, err := instanceID(req)
	if err != nil {
		return nil, err
	}
	var order discovery.Order
	if err := decode(w, req, &order); err != nil {
		return nil, err
	}
	if order.State != discovery.Draining {
		return nil, problem.New(problem.InvalidArgument, "the state cannot be ordered").
			WithField("state", `must be "draining"; the others are for the instance to say`)
	}
	var reg discovery.Registration
	var found bool
	r.change(func(s *Store, now time.Time) { reg, found = s.Drain(id, now) })
	if !found {
		return nil, problem.New(problem.NotFound, "the registry has no instance %q", id)
	}
	return reg, nil
}

func (r *Registry) getServices(http.ResponseWriter, *http.Request) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store.Catalog(), nil
}

func (r *Registry) getService(_ http.ResponseWriter, req *http.Request) (any, error) {
	name, err := serviceName(req)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.store.Catalog(name)
	if len(c.Services) == 0 {
		return nil, problem.New(problem.NotFound, "the registry has seen no instance of %q since it started", name)
	}
	return c, nil
}

func (r *Registry) putSettings(w http.ResponseWriter, req *http.Request) (any, error) {
	name, err := serviceName(req)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, req.Body, discovery.MaxSettings))
	if err != nil {
		return nil, problem.Wrap(err, problem.TooLarge, "the settings of %q are larger than %d bytes", name, discovery.MaxSettings)
	}
	said, err := settingsOf(text)
	switch {
	case err != nil:
		return nil, err
	case len(said) > discovery.MaxSettings:
		return nil, problem.New(problem.TooLarge, "the settings of %q, with what its routes have of it, are larger than %d bytes", name, discovery.MaxSettings)
	}
	r.change(func(s *Store, _ time.Time) { err = s.Set(name, said) })
	return nil, err
}

// settingsOf returns the one text for what settings mean, however they were written: what no
// caller could use is told to who says it.
func settingsOf(text []byte) (discovery.Settings, error) {
	if !json.Valid(text) || bytes.TrimSpace(text)[0] != '{' {
		return nil, problem.New(problem.InvalidArgument, `the settings of a service must be a JSON object, such as {"timeout":"2s"}`)
	}
	s, err := policy.Parse(text)
	if err != nil {
		return nil, err
	}
	said, err := s.Encode()
	if err != nil {
		return nil, err
	}
	if said == nil {
		return discovery.Settings("{}"), nil // all is as by default, and somebody said so
	}
	return said, nil
}

func (r *Registry) deleteSettings(_ http.ResponseWriter, req *http.Request) (any, error) {
	name, err := serviceName(req)
	if err != nil {
		return nil, err
	}
	r.change(func(s *Store, _ time.Time) { err = s.Set(name, discovery.Settings("null")) })
	return nil, err
}

// getWatch answers at once when there is something newer than the watch has, else as
// soon as there is, or when the watch's time is up.
func (r *Registry) getWatch(w http.ResponseWriter, req *http.Request) (any, error) {
	watch, err := discovery.ParseWatch(req.URL.Query())
	if err != nil {
		return nil, err
	}
	// A server's WriteTimeout is for short answers. Not every writer has one to change.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})

	me := newWatcher(watch.Services)
	r.mu.Lock()
	changes, ok := r.store.Since(watch)
	switch {
	case ok || watch.Wait == 0:
		r.mu.Unlock()
		return changes, nil
	case r.watches >= maxWatches:
		r.mu.Unlock()
		return nil, problem.New(problem.ResourceExhausted, "%d watches wait already", maxWatches).WithRetryAfter(time.Second)
	}
	admission.Release(req.Context()) // waiting is no work
	r.watches++
	r.waiting.add(me)
	r.mu.Unlock()

	up := time.NewTimer(watch.Wait)
	defer up.Stop()
	for waits := true; waits; {
		select {
		case <-me.news:
		case <-up.C:
			waits = false
		case <-r.ended:
			waits = false
		case <-req.Context().Done():
			waits = false
		}
		r.mu.Lock()
		if changes, ok = r.store.Since(watch); ok || !waits {
			r.watches--
			r.waiting.remove(me)
			waits = false
		}
		r.mu.Unlock()
	}
	return changes, nil
}

func serviceName(req *http.Request) (string, error) {
	name := req.PathValue("name")
	if !discovery.ValidName(name) {
		return "", problem.New(problem.InvalidArgument, "%.80q is no service name", name).
			WithField("service", "must be a DNS label: a-z, 0-9 and '-', at most 63, beginning with a letter")
	}
	return name, nil
}

func instanceID(req *http.Request) (string, error) {
	id := req.PathValue("id")
	if !discovery.ValidID(id) {
		return "", problem.New(problem.InvalidArgument, "%.80q is no instance id", id).
			WithField("id", "must be letters, digits, '.', '_', '~', ':' or '-', the first a letter or digit")
	}
	return id, nil
}

// holder returns which process speaks, "" when it does not say.
func holder(req *http.Request) (string, error) {
	by := req.Header.Get(discovery.LeaseHeader)
	if by != "" && !discovery.ValidID(by) {
		return "", problem.New(problem.InvalidArgument, "the header %s is not valid", discovery.LeaseHeader).
			WithField(discovery.LeaseHeader, "must be written as an instance's id is, and differ from process to process")
	}
	return by, nil
}
