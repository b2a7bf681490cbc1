package l4

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/seen"
	"github.com/musterdev/muster/problem"
)

// MaxPorts bounds the listeners of one Ports.
const MaxPorts = 1000

// Ports are listeners that come and go while others go on, each with routes of its own.
// One that goes frees its address at once; its connections stay until they end. All
// choose instances together. It is safe for concurrent use.
type Ports struct {
	cfg    Config
	caller *call.Caller
	failed chan error
	life   context.Context //nolint:containedctx // of connections whose listener is gone; Shutdown ends it
	cut    context.CancelFunc
	work   sync.WaitGroup // everything that was started

	mu      sync.Mutex
	open    map[string]*port // by address
	leaving map[*port]bool   // without a listener, with connections
	past    map[string]Stats // of those that are gone, while the address has others
	ending  bool
}

// port is one listener and its connections.
type port struct {
	addr   string
	listen net.Listener
	proxy  *Proxy
}

// NewPorts returns Ports without any; cfg.Routes is not looked at. Shutdown ends them.
func NewPorts(cfg Config) *Ports {
	cfg = cfg.withDefaults()
	p := &Ports{
		cfg: cfg, caller: newCaller(cfg), failed: make(chan error, 1),
		open: map[string]*port{}, leaving: map[*port]bool{}, past: map[string]Stats{},
	}
	p.life, p.cut = context.WithCancel(context.Background())
	return p
}

// Validate returns nil, or an InvalidArgument *problem.Error that says what is wrong with
// routes by address, host:port.
func Validate(routes map[string]Routes) error {
	if len(routes) > MaxPorts {
		return problem.New(problem.InvalidArgument, "there are %d ports of connections: at most %d are possible", len(routes), MaxPorts)
	}
	for _, addr := range slices.Sorted(maps.Keys(routes)) {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return problem.Wrap(err, problem.InvalidArgument, "tcp: %.80q is not host:port", addr)
		}
		err := routes[addr].Validate()
		if wrong, ok := errors.AsType[*problem.Error](err); ok {
			wrong.Message = "tcp: " + addr + ": " + wrong.Message
			return wrong
		}
	}
	return nil
}

// Set makes these the listeners, by address: it opens those that are new, gives the others
// their routes, and closes those that are gone, whose connections stay. It does all of
// that or, with an error, nothing: that of Validate, or Unavailable when an address cannot
// be listened at.
func (p *Ports) Set(ctx context.Context, routes map[string]Routes) error {
	if err := Validate(routes); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return problem.New(problem.Unavailable, "the edge ends")
	}
	fresh, err := p.listen(ctx, routes)
	if err != nil {
		return err
	}
	for addr, old := range p.open {
		if _, stays := routes[addr]; !stays {
			p.retire(old)
		}
	}
	for addr, r := range routes {
		if l := fresh[addr]; l != nil {
			p.start(addr, l, r)
			continue
		}
		_ = p.open[addr].proxy.SetRoutes(r) // they are valid
	}
	return nil
}

// listen opens the addresses that are new, or none.
func (p *Ports) listen(ctx context.Context, routes map[string]Routes) (map[string]net.Listener, error) {
	fresh := map[string]net.Listener{}
	for _, addr := range slices.Sorted(maps.Keys(routes)) {
		if p.open[addr] != nil {
			continue
		}
		l, err := p.cfg.Listen(ctx, addr)
		if err != nil {
			for _, other := range fresh {
				_ = other.Close() // nobody has come there
			}
			return nil, problem.New(problem.Unavailable, // its cause is in the sentence, once
				"the edge cannot listen on %s: %v: choose another port or end the program that has it", addr, err)
		}
		fresh[addr] = l
	}
	return fresh, nil
}

// start serves a listener; the lock is held.
func (p *Ports) start(addr string, l net.Listener, r Routes) {
	one := &port{addr: addr, listen: l, proxy: newProxy(p.cfg, p.caller)}
	one.proxy.shared = true
	_ = one.proxy.SetRoutes(r) // they are valid
	p.open[addr] = one
	p.work.Go(func() {
		if err := one.proxy.Serve(l); err != nil {
			select {
			case p.failed <- fmt.Errorf("the connections at %s failed: %w", addr, err):
			default: // one failure is told
			}
		}
	})
	p.cfg.Log.Info("connections are accepted", "listener", addr, "services", r.services())
}

// retire closes a listener and leaves its connections; the lock is held.
func (p *Ports) retire(old *port) {
	old.proxy.stop()
	_ = old.listen.Close() // before anybody listens there again
	delete(p.open, old.addr)
	p.leaving[old] = true
	p.cfg.Log.Info("connections are accepted no more", "listener", old.addr, "open", old.proxy.Stats().Open)
	p.work.Go(func() {
		_ = old.proxy.Shutdown(p.life) // cut off: Shutdown of all has told
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.leaving, old)
		p.past[old.addr] = p.past[old.addr].add(old.proxy.Stats())
		if !p.known(old.addr) {
			delete(p.past, old.addr)
		}
	})
}

// known reports whether an address has a listener or connections; the lock is held.
func (p *Ports) known(addr string) bool {
	for one := range p.leaving {
		if one.addr == addr {
			return true
		}
	}
	return p.open[addr] != nil
}

// Failed gets the error of the first listener that fails while it should not.
func (p *Ports) Failed() <-chan error { return p.failed }

// Listeners returns the listeners there are, by the address that was ordered. They stay those
// of Ports: another process may be given copies.
func (p *Ports) Listeners() map[string]net.Listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]net.Listener{}
	for addr, one := range p.open {
		all[addr] = one.listen
	}
	return all
}

// InFlight returns how many connections are open to the instance with this id.
func (p *Ports) InFlight(id string) int64 { return p.caller.InFlight(id) }

// Calls returns how the attempts to reach instances stand, by service.
func (p *Ports) Calls() []seen.Service { return p.caller.Stats() }

// Port is what there is to know of one address.
type Port struct {
	Addr   string
	Routes Routes // zero when Closed
	Closed bool   // nobody listens any more; connections are left
	Stats  Stats  // of all that have listened there without a pause
}

// List returns the addresses that have a listener or connections, sorted.
func (p *Ports) List() []Port {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]Port{}
	for addr, one := range p.open {
		all[addr] = Port{Addr: addr, Routes: *one.proxy.routes.Load(), Stats: p.past[addr].add(one.proxy.Stats())}
	}
	for one := range p.leaving {
		at, more := all[one.addr]
		if !more {
			at = Port{Addr: one.addr, Closed: true, Stats: p.past[one.addr]}
		}
		at.Stats = at.Stats.add(one.proxy.Stats())
		all[one.addr] = at
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Port) int { return compareAddr(a.Addr, b.Addr) })
}

// Shutdown accepts no more connections and waits for those that are open, each until it is
// silent for Config.EndIdle. When ctx ends it resets those that are left and returns ctx's
// error. Later calls find nothing to do.
func (p *Ports) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	p.ending = true
	for _, one := range p.open {
		p.retire(one)
	}
	for one := range p.leaving {
		one.proxy.hurry()
	}
	p.mu.Unlock()
	over := make(chan struct{})
	go func() { p.work.Wait(); close(over) }()
	var err error
	select {
	case <-over:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.cut()
	<-over
	p.caller.Close()
	return err
}
