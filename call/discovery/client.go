package discovery

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// saveEvery bounds how often the disk is written while lists change.
	saveEvery = time.Second
	// answerTime is what a registry gets to answer beyond the wait it was asked for.
	answerTime = 5 * time.Second
	// warnAfter is how many failures in a row, about two seconds of them, are worth a
	// warning; fewer are a fleet that starts.
	warnAfter = 6
)

// ClientConfig says where the registry is.
type ClientConfig struct {
	URL     string       // of the registry, such as http://127.0.0.1:8081; the value of MUSTER_REGISTRY_URL
	Service string       // who asks, as CallerHeader tells the registry; "" tells nothing
	Dir     string       // keeps the last known lists over restarts, made when missing; "" keeps nothing
	HTTP    *http.Client // nil means one of its own; must not have a Timeout below 30 s; its redirects are not followed
	Log     *slog.Logger // nil logs nothing
}

// Client follows a registry. It is a Resolver over one watch, however many services
// are asked for, and it holds leases. It is safe for concurrent use.
//
// Nothing a caller does waits for the registry. While that is away the views keep
// the last known lists, after a restart those from disk, and the client tries again
// after a pause with jitter of at most a second.
type Client struct {
	remote *remote
	cache  cache
	log    *slog.Logger
	ctx    context.Context //nolint:containedctx // the client's own life, which Close ends
	stop   context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	book    book
	again   context.CancelFunc // ends the running watch, so that the next asks for more services
	closed  bool
	savedAt time.Time

	names names
}

var _ Resolver = (*Client)(nil)

// NewClient returns a client, which connects only when it is used. Its one error is
// a URL that is none. Close ends it.
func NewClient(cfg ClientConfig) (*Client, error) {
	r, err := newRemote(cfg.URL, cfg.Service, cfg.HTTP)
	if err != nil {
		return nil, err
	}
	c := &Client{
		remote: r, cache: cache(cfg.Dir),
		log:  cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)),
		book: book{entries: map[string]*entry{}},
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// Close ends the watch and the beats of leases that were not released; those lapse.
// Views keep their last list. It waits for what runs, which ends at once.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.work.Wait()
	c.remote.close()
}

// View returns the living view of a service and, at the first call for it, begins to
// watch it with what the disk remembers. A name that is no DNS label has an empty view.
func (c *Client) View(service string) *View {
	if !ValidName(service) {
		return NewView()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.book.entries[service]; e != nil {
		return e.view
	}
	cached, settings, err := c.cache.load(service)
	if err != nil {
		c.log.Warn("the last known instances on disk cannot be used and are ignored", "service", service, "error", err)
	}
	view := c.book.track(service, cached)
	view.SetSettings(settings)
	switch {
	case c.closed:
	case c.again != nil:
		c.again()
	default:
		c.again = func() {} // until follow has a watch to end
		c.work.Go(c.follow)
	}
	return view
}

// Catalog returns all instances of all services from the registry itself, for
// programs that show them; calls use View.
func (c *Client) Catalog(ctx context.Context) (Catalog, error) { return c.remote.catalog(ctx) }

// Put registers an instance, or renews its lease, once. It is for who holds the leases
// of other programs; a program's own is held by Hold. As LeaseHeader says, lease tells the
// instance's process from those before and after it; "" does not tell. The error has the
// code problem.Conflict when the lease is over, as another process holds the id.
func (c *Client) Put(ctx context.Context, in Instance, lease string) error {
	_, err := c.remote.put(ctx, in, lease)
	return err
}

// Delete removes an instance; one that is unknown is no error. With a lease it removes
// that process's registration alone, "" whoever's it is.
func (c *Client) Delete(ctx context.Context, id, lease string) error {
	return c.remote.remove(ctx, id, lease)
}

// Drain tells an instance, by way of the registry, that it drains: callers stop
// choosing it and its holder learns of it with the next beat. The error has the code
// problem.NotFound when the registry does not know the instance.
func (c *Client) Drain(ctx context.Context, id string) error {
	return c.remote.order(ctx, id, Draining)
}

// Set says how a service is to be called; nil takes back what was said. All who call
// the service learn of it at once.
func (c *Client) Set(ctx context.Context, service string, s Settings) error {
	return c.remote.set(ctx, service, s)
}

// follow watches until Close.
func (c *Client) follow() {
	failures, resets, rate := 0, 0, pace{}
	for c.ctx.Err() == nil {
		ctx, cancel, w := c.next()
		began := time.Now()
		answer, err := c.remote.watch(ctx, w)
		overtaken := errors.Is(ctx.Err(), context.Canceled) // by Close, or by a service to ask for besides
		cancel()
		if overtaken {
			continue
		}
		// An answer without news long before its time is a registry that ends, or none.
		if ok := err == nil && (c.take(answer, len(w.Services)) || time.Since(began) >= w.Wait/2); !ok {
			failures++
			if failures == warnAfter && err != nil {
				c.log.Warn("the registry is away; the last known instances stay in use", "registry", c.remote.base.Redacted(), "error", err)
			}
			c.rest(pause(failures))
			continue
		}
		if failures >= warnAfter {
			c.log.Info("the registry is back", "registry", c.remote.base.Redacted())
		}
		failures = 0
		// One reset that was not asked for is a restart; one after the other are two
		// registries behind one address, not to be asked as fast as they answer.
		if resets++; !answer.Reset || w.Epoch == "" {
			resets = 0
		}
		if resets > 1 {
			c.rest(pause(resets))
		}
		if d := rate.take(time.Now()); d > 0 {
			c.rest(d)
		}
	}
	c.save(true)
}

// next returns the next watch, after what is due has been done. Its context ends
// when another service joins.
func (c *Client) next() (context.Context, context.CancelFunc, Watch) {
	c.save(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.book.settle(now)
	wait := DefaultWait
	for _, due := range []time.Time{c.book.due(), c.saveDue()} {
		if !due.IsZero() {
			wait = max(min(wait, due.Sub(now)), time.Millisecond)
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, wait+answerTime)
	c.again = cancel
	return ctx, cancel, c.book.watch(wait)
}

// take applies an answer to a watch of so many services; one that is overtaken by a
// new service is dropped.
func (c *Client) take(answer Changes, services int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.book.watch(0); len(w.Services) != services {
		return true
	}
	return c.book.apply(answer, time.Now())
}

// rest waits, less long when a service joins.
func (c *Client) rest(d time.Duration) {
	ctx, cancel := context.WithTimeout(c.ctx, d)
	defer cancel()
	c.mu.Lock()
	c.again = cancel
	c.mu.Unlock()
	<-ctx.Done()
}

// saveDue returns when the disk is to be written; zero when it need not be.
func (c *Client) saveDue() time.Time {
	if c.cache == "" {
		return time.Time{}
	}
	for _, e := range c.book.entries {
		if e.dirty {
			return c.savedAt.Add(saveEvery)
		}
	}
	return time.Time{}
}

// save writes the lists that changed, if it is time or now is set.
func (c *Client) save(now bool) {
	c.mu.Lock()
	due := c.saveDue()
	if due.IsZero() || !now && time.Now().Before(due) {
		c.mu.Unlock()
		return
	}
	views := map[string]*View{}
	for service, e := range c.book.entries {
		if e.dirty {
			views[service] = e.view
			e.dirty = false
		}
	}
	c.savedAt = time.Now()
	c.mu.Unlock()
	for service, view := range views { // the lock is free: View must not wait for a disk
		if err := c.cache.save(service, view.Instances(), view.Settings()); err != nil {
			c.log.Warn("the last known instances cannot be kept on disk", "service", service, "error", err)
		}
	}
}
