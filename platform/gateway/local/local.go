package local

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/gateway/accesslog"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

// LivePath is where the proxy says of itself that it is alive, when no service is named.
const LivePath = route.Operations + "/livez"

// Config says what a Proxy works with. Caller, Resolver and Metrics are needed.
type Config struct {
	// Caller makes the calls; it may be the edge's own. Its Timeout should be negative, as
	// AnswerTimeout lets long uploads be.
	Caller *call.Caller
	// Resolver is the Caller's own.
	Resolver discovery.Resolver
	// Names returns the names of all services the registry has seen. It is asked for when
	// a name is met that is not known yet, a few times a second at most. nil knows none but
	// Services.
	Names func(ctx context.Context) ([]string, error)
	// Services are known from the beginning, such as those of muster.yaml: a call to one
	// that has not started yet waits for it instead of being told that there is none.
	Services []string
	// Metrics gets the same as the edge's has, with names that begin muster_local_.
	Metrics prometheus.Registerer
	Log     *accesslog.Log // gets a line for each request; nil: none
	Faults  *slog.Logger   // is told what an instance answers against the protocol; nil: nobody
	// AnswerTimeout is how long an instance may be silent before its answer's header, where
	// neither the program nor the service's rules say less. 0 means 10 s, as services
	// have it that call one another.
	AnswerTimeout time.Duration
}

// Proxy passes requests of programs on this machine to the services they name. It is
// safe for concurrent use.
type Proxy struct {
	gateway *proxy.Gateway
}

// New returns a Proxy. It fails when Metrics refuses its metrics.
func New(cfg Config) (*Proxy, error) {
	known := newDirectory(cfg)
	g, err := proxy.New(proxy.Config{
		Caller: cfg.Caller, Resolver: cfg.Resolver, Metrics: cfg.Metrics, Log: cfg.Log, Faults: cfg.Faults,
		AnswerTimeout: cmp.Or(cfg.AnswerTimeout, resilience.DefaultTimeout), Name: "local", Find: known.find,
	})
	if err != nil {
		return nil, err
	}
	return &Proxy{gateway: g}, nil
}

// InFlight returns how many requests are under way, streams and upgraded connections
// among them.
func (p *Proxy) InFlight() int64 { return p.gateway.InFlight() }

// ServeHTTP passes a request on. One from a browser is refused, because any page could
// make one: it has an Origin header, or says in Sec-Fetch-Site where the page is from (W3C
// Fetch Metadata). So is one that did not come by the loopback interface.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := refuse(r); err != nil {
		problem.Write(w, r, err)
		return
	}
	host, err := route.CanonicalHost(r.Host)
	switch {
	case err != nil: // the gateway says the same, and notes it
	case !here(host):
		r = to(r, strings.TrimSuffix(host, ".muster"))
	case r.URL.Path == LivePath:
		live(w)
		return
	case r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc"):
		r = to(r, "")
	default:
		service := first(r.URL.EscapedPath())
		if service != "" {
			w = &prefixed{ResponseWriter: w, service: service}
		}
		r = below(r, service)
	}
	p.gateway.ServeHTTP(w, r)
}

// refuse returns why a request must not be passed on, whatever it asks for.
func refuse(r *http.Request) error {
	for _, name := range []string{"Origin", "Sec-Fetch-Site"} {
		if _, browser := r.Header[name]; browser {
			return problem.New(problem.PermissionDenied,
				"the local proxy is not for browsers: the request has the header %s; let the page call the edge, and a program leave it out", name)
		}
	}
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && !loopback(at) {
		return problem.New(problem.PermissionDenied, "the local proxy serves programs on its own machine only; from elsewhere call the edge")
	}
	return nil
}

func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// here reports whether a canonical host is this machine, and so names no service.
func here(host string) bool {
	return host == "" || host == "localhost" || net.ParseIP(strings.Trim(host, "[]")).IsLoopback()
}

func live(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "ok\n") // who asked has gone
}

// first returns the service that a raw path names, "" when its first part cannot be one.
func first(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !discovery.ValidName(name) {
		return ""
	}
	return name
}

// to returns the request as one to a service.
func to(r *http.Request, service string) *http.Request {
	r = r.WithContext(r.Context()) // a copy
	r.Host = service
	return r
}

// below returns the request as one to a service, which is not in the path any more. A name
// has no escapes, so that the raw path begins as the decoded one does.
func below(r *http.Request, service string) *http.Request {
	r = to(r, service)
	if service == "" {
		return r
	}
	u := *r.URL
	u.Path, u.RawPath = strip(u.Path, service), strip(u.RawPath, service)
	u.Scheme, u.Host = "", ""
	raw, query, asks := strings.Cut(r.RequestURI, "?")
	switch {
	case !strings.HasPrefix(raw, "/"): // http://localhost/catalog/v1/products
		r.RequestURI = u.RequestURI()
	case asks:
		r.RequestURI = strip(raw, service) + "?" + query
	default:
		r.RequestURI = strip(raw, service)
	}
	r.URL = &u
	return r
}

// strip takes the service off a path; "" stays.
func strip(path, service string) string {
	rest, ok := strings.CutPrefix(path, "/"+service)
	if ok && rest == "" {
		return "/"
	}
	return rest
}

// prefixed puts the service back into the addresses an answer names, where it was in the
// path that was asked for.
type prefixed struct {
	http.ResponseWriter

	service string
}

// WriteHeader implements http.ResponseWriter.
func (p *prefixed) WriteHeader(status int) {
	h := p.Header()
	for _, name := range []string{"Location", "Content-Location"} {
		if v := h[name]; len(v) == 1 {
			h[name] = []string{p.address(v[0])}
		}
	}
	p.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController find the rest.
func (p *prefixed) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// address returns a reference (RFC 3986, 4.1) as the program can follow it: one to the
// service itself by its path here, one relative to what was asked for or to elsewhere as
// it is.
func (p *prefixed) address(v string) string {
	u, err := url.Parse(v)
	switch {
	case err != nil, u.Opaque != "", u.User != nil:
		return v
	case u.Host == p.service && (u.Scheme == "" || u.Scheme == "http" || u.Scheme == "https"):
		u.Scheme, u.Host = "", ""
	case u.Host != "" || u.Scheme != "" || !strings.HasPrefix(v, "/"):
		return v
	}
	here := "/" + p.service + u.RequestURI()
	if u.Fragment != "" {
		here += "#" + u.EscapedFragment()
	}
	return here
}
