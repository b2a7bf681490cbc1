package delay

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// pages makes what visitors ask for.
type pages struct {
	far, near *http.Client // of back, and of placed
	back      *discovery.View
	anew      *http.Client // keeps no connection
	bus       bus.Publisher
	source    string // of events
}

func runFront(ctx context.Context, app *muster.App, registryURL string) error {
	broker, err := app.Bus()
	if err != nil {
		return err
	}
	registry, err := discovery.NewClient(discovery.ClientConfig{URL: registryURL, Service: app.Name()})
	if err != nil {
		return err
	}
	defer registry.Close()
	p := &pages{
		far: app.Client(back), near: app.Client(placed), back: registry.View(back),
		anew: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}},
		bus:  broker, source: "/" + app.Name(),
	}
	all, err := p.all()
	if err != nil {
		return err
	}
	for changed := p.back.Changed(); len(p.back.Instances()) == 0; changed = p.back.Changed() {
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
	app.Handle("GET /pages/{way}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := all[r.PathValue("way")]
		if page == nil {
			problem.Write(w, r, problem.New(problem.NotFound, "there is no page by %q", r.PathValue("way")))
			return
		}
		if err := page(r.Context()); err != nil {
			problem.Write(w, r, err)
			return
		}
		_, _ = io.WriteString(w, "done\n") // the visitor may have gone
	}))
	return app.Serve(ctx)
}

// page makes one page.
type page func(ctx context.Context) error

// all returns the pages by the names of their ways.
func (p *pages) all() (map[string]page, error) {
	list := map[string]page{
		oneByOne:       inTurn(func(ctx context.Context, id string) error { return p.item(ctx, p.far, oneByOne, id) }),
		newConnections: inTurn(p.itemAnew),
		atOnce:         together(func(ctx context.Context, id string) error { return p.item(ctx, p.far, atOnce, id) }),
		sameZone:       inTurn(func(ctx context.Context, id string) error { return p.item(ctx, p.near, sameZone, id) }),
		plain:          func(ctx context.Context) error { return p.document(ctx, p.far, plain, false) },
		packed:         func(ctx context.Context) error { return p.document(ctx, p.far, packed, true) },
		wait:           func(ctx context.Context) error { return p.leave(ctx, wait) },
		event:          p.publish,
	}
	batch := &cache.Batch[string]{Load: p.load(p.far, batched)}
	list[batched] = together(func(ctx context.Context, id string) error { return found(batch.Get(ctx, id)) })

	cached, err := cache.New(cache.Config[string]{Load: cache.One(func(ctx context.Context, id string) (string, bool, error) {
		return p.one(ctx, p.far, nearCache, id)
	})})
	if err != nil {
		return nil, err
	}
	list[nearCache] = inTurn(func(ctx context.Context, id string) error { return found(cached.Get(ctx, id)) })

	list[nothing] = both(
		inTurn(func(ctx context.Context, id string) error { return p.item(ctx, p.far, nothing, id) }),
		func(ctx context.Context) error { return p.document(ctx, p.far, nothing, false) },
		func(ctx context.Context) error { return p.leave(ctx, nothing) },
	)
	for way, client := range map[string]*http.Client{farAll: p.far, nearAll: p.near} {
		c, err := cache.New(cache.Config[string]{Load: p.load(client, way)})
		if err != nil {
			return nil, err
		}
		list[way] = both(
			func(ctx context.Context) error { _, err := c.GetMany(ctx, ids()); return err },
			func(ctx context.Context) error { return p.document(ctx, client, way, true) },
			p.publish,
		)
	}
	return list, nil
}

// ids draws what a page looks up.
func ids() (list []string) {
	for _, n := range rand.Perm(items)[:lookups] {
		list = append(list, strconv.Itoa(n))
	}
	return list
}

// inTurn looks up one item after another, as a loop does that somebody wrote.
func inTurn(look func(ctx context.Context, id string) error) page {
	return func(ctx context.Context) error {
		for _, id := range ids() {
			if err := look(ctx, id); err != nil {
				return err
			}
		}
		return nil
	}
}

// together looks up all items at the same time.
func together(look func(ctx context.Context, id string) error) page {
	return func(ctx context.Context) error {
		errs := make(chan error, lookups)
		var looking sync.WaitGroup
		for _, id := range ids() {
			looking.Go(func() { errs <- look(ctx, id) })
		}
		looking.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func both(parts ...page) page {
	return func(ctx context.Context) error {
		for _, part := range parts {
			if err := part(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

func found(value string, ok bool, err error) error {
	if err == nil && (!ok || !strings.HasPrefix(value, "item ")) {
		err = fmt.Errorf("an item is %q, found: %t", value, ok)
	}
	return err
}

func (p *pages) item(ctx context.Context, by *http.Client, way, id string) error {
	return found(p.one(ctx, by, way, id))
}

// itemAnew looks an item up by a connection of its own, which Muster's client never does.
func (p *pages) itemAnew(ctx context.Context, id string) error {
	r, err := request(ctx, http.MethodGet, newConnections, "/items?id="+id)
	if err != nil {
		return err
	}
	list := p.back.Instances()
	if len(list) == 0 {
		return problem.New(problem.Unavailable, "there is no instance of %s any more", back)
	}
	r.URL.Host = list[0].Endpoints[discovery.HTTP]
	values := map[string]string{}
	err = ask(p.anew, r, &values)
	return found(values[id], true, err)
}

func (p *pages) one(ctx context.Context, by *http.Client, way, id string) (string, bool, error) {
	values, err := p.load(by, way)(ctx, []string{id})
	v, ok := values[id]
	return v, ok, err
}

// load looks up items by one call.
func (p *pages) load(by *http.Client, way string) cache.Load[string] {
	return func(ctx context.Context, ids []string) (map[string]string, error) {
		r, err := request(ctx, http.MethodGet, way, "/items?"+url.Values{"id": ids}.Encode())
		if err != nil {
			return nil, err
		}
		values := map[string]string{}
		return values, ask(by, r, &values)
	}
}

// document reads 100 KB. Muster's client passes bodies on as they are: who wants them
// compressed says so, and unpacks them.
func (p *pages) document(ctx context.Context, by *http.Client, way string, compressed bool) error {
	r, err := request(ctx, http.MethodGet, way, "/document")
	if err != nil {
		return err
	}
	if compressed {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	var entries []struct{ ID string }
	if err := ask(by, r, &entries); err != nil {
		return err
	}
	if len(entries) < 100 || entries[0].ID != "p-1" {
		return fmt.Errorf("the document has %d entries", len(entries))
	}
	return nil
}

// leave has back take a note while the visitor waits.
func (p *pages) leave(ctx context.Context, way string) error {
	r, err := request(ctx, http.MethodPost, way, "/notes")
	if err != nil {
		return err
	}
	return ask(p.far, r, nil)
}

// publish leaves the note with the broker, which has it on stable storage when this
// returns; back gets it when it gets it.
func (p *pages) publish(ctx context.Context) error {
	m, err := topic().Msg(ctx, "", note{"seen"})
	if err != nil {
		return err
	}
	m.Source = p.source
	return p.bus.Publish(ctx, []bus.Msg{m})[0].Err
}

func request(ctx context.Context, method, way, path string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://back"+path, http.NoBody)
	if err == nil {
		r.Header.Set(wayHeader, way)
	}
	return r, err
}

// ask makes a request and reads the answer, JSON, to its end.
func ask(by *http.Client, r *http.Request, into any) error {
	res, err := by.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	if res.StatusCode >= http.StatusMultipleChoices {
		return problem.FromResponse(res)
	}
	var from io.Reader = res.Body
	if res.Header.Get("Content-Encoding") == "gzip" {
		if from, err = gzip.NewReader(res.Body); err != nil {
			return err
		}
	}
	body, err := io.ReadAll(io.LimitReader(from, 10*size))
	if err == nil && into != nil {
		err = json.Unmarshal(body, into)
	}
	return err
}
