// Package cors lets web pages of other origins call services: the kind "cors". Preflights,
// the questions browsers ask before (Fetch standard, "CORS protocol"), are answered by the
// edge and never reach a service; on other answers its word stands in the place of the
// service's.
package cors

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

// Config is what the kind is told.
type Config struct {
	// Origins may call: https://app.example.com, https://*.example.com for all names below
	// one, "*" for all, "null" for pages without an origin. Needed.
	Origins []string `json:"origins"`
	Methods []string `json:"methods"` // default: GET HEAD POST PUT PATCH DELETE
	// Headers are the fields a page may send, besides those it always may; "*": any. Default:
	// Authorization, Content-Type.
	Headers []string `json:"headers"`
	Expose  []string `json:"expose"` // the fields of answers that a page may read, besides those it always may
	// Credentials lets pages send cookies. Not with the origins "*" and "null": any page could
	// then act for whoever is logged in.
	Credentials bool            `json:"credentials"`
	MaxAge      filter.Duration `json:"max_age"` // how long browsers keep the answer of a preflight; default 10m, in whole seconds
	// PrivateNetwork lets public pages call where a browser takes the edge for a private one.
	PrivateNetwork bool `json:"private_network"`
}

// Filter answers preflights, and tells browsers who may read the other answers.
type Filter struct {
	cfg     Config
	origins origins
	methods string
	headers []string // in small letters; nil: any
	allow   string
	expose  string
	maxAge  string
	varies  bool // answers differ by origin
}

var (
	_ filter.Maker    = Make
	_ filter.Answerer = (*Filter)(nil)
)

// Make makes a filter of a [Config].
func Make(_ context.Context, _ filter.Env, with json.RawMessage) (filter.Filter, error) {
	var c Config
	if err := filter.Decode(with, &c); err != nil {
		return nil, err
	}
	if c.Methods == nil {
		c.Methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	}
	if c.Headers == nil {
		c.Headers = []string{"Authorization", "Content-Type"}
	}
	f := &Filter{cfg: c}
	var m filter.Mistakes
	for i, o := range c.Origins {
		if err := f.origins.add(o); err != nil {
			m.Add(fmt.Sprintf("origins[%d]", i), "%s", err)
		}
	}
	if len(c.Origins) == 0 {
		m.Add("origins", "is missing: name the origins whose pages may call, such as https://app.example.com")
	}
	if c.Credentials && f.origins.any {
		m.Add("credentials", "cannot be with the origin \"*\": name the origins, or any page could act for whoever is logged in")
	}
	if c.Credentials && f.origins.exact["null"] {
		m.Add("credentials", "cannot be with the origin \"null\": any page can be without an origin, in a sandboxed frame, and act for whoever is logged in")
	}
	names(&m, "methods", c.Methods, false)
	names(&m, "headers", c.Headers, true)
	names(&m, "expose", c.Expose, false)
	if err := m.Err(); err != nil {
		return nil, err
	}
	f.methods, f.allow, f.expose = strings.Join(c.Methods, ", "), strings.Join(c.Headers, ", "), strings.Join(c.Expose, ", ")
	if !slices.Contains(c.Headers, "*") {
		f.headers = make([]string, 0, len(c.Headers))
		for _, h := range c.Headers {
			f.headers = append(f.headers, strings.ToLower(h))
		}
	}
	f.maxAge = strconv.Itoa(int(c.MaxAge.Or(10*time.Minute) / time.Second))
	f.varies = !f.origins.any
	return f, nil
}

func names(m *filter.Mistakes, field string, list []string, star bool) {
	for i, name := range list {
		if !filter.ValidName(name) || name == "*" && !star {
			m.Add(fmt.Sprintf("%s[%d]", field, i), "%.60q is not a name", name)
		}
	}
}

// preflight reports whether a request asks what another may do, and returns its origin;
// "" is no request of a page of another origin.
func origin(r *filter.Request) (origin string, preflight bool) {
	origin = r.Fields.Get("Origin")
	return origin, origin != "" && r.Method == http.MethodOptions && r.Fields.Get("Access-Control-Request-Method") != ""
}

// Request answers a preflight; others pass.
func (f *Filter) Request(_ context.Context, r *filter.Request) error {
	from, preflight := origin(r)
	if !preflight {
		return nil
	}
	r.Reply.Add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	asked := r.Fields.Values("Access-Control-Request-Headers")
	method := r.Fields.Get("Access-Control-Request-Method")
	switch {
	case !f.origins.has(from) || len(r.Fields.Values("Origin")) > 1:
		return problem.New(problem.PermissionDenied, "pages of the origin %.100q may not call this", from)
	case !slices.Contains(f.cfg.Methods, method):
		return problem.New(problem.PermissionDenied, "pages may not call this with the method %.40q, but with %s", method, f.methods)
	}
	if name := f.refused(asked); name != "" {
		return problem.New(problem.PermissionDenied, "pages may not send the field %.60q", name)
	}
	a := &filter.Answer{Status: http.StatusNoContent}
	f.allowed(&a.Header, from)
	a.Header.Add("Access-Control-Allow-Methods", f.methods)
	switch {
	case f.headers == nil && len(asked) > 0:
		a.Header.Add("Access-Control-Allow-Headers", strings.Join(asked, ", "))
	case f.headers != nil && f.allow != "":
		a.Header.Add("Access-Control-Allow-Headers", f.allow)
	}
	a.Header.Add("Access-Control-Max-Age", f.maxAge)
	if f.cfg.PrivateNetwork && r.Fields.Get("Access-Control-Request-Private-Network") == "true" {
		a.Header.Add("Access-Control-Allow-Private-Network", "true")
	}
	return a
}

// refused returns a field that a page may not send, or that is none.
func (f *Filter) refused(asked []string) string {
	for _, value := range asked {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.ToLower(strings.Trim(name, " \t"))
			if name != "" && (!filter.ValidName(name) || f.headers != nil && !slices.Contains(f.headers, name)) {
				return name
			}
		}
	}
	return ""
}

// allowed says that the origin may read the answer.
func (f *Filter) allowed(fields filter.Fields, from string) {
	if f.varies {
		fields.Set("Access-Control-Allow-Origin", from)
	} else {
		fields.Set("Access-Control-Allow-Origin", "*")
	}
	if f.cfg.Credentials {
		fields.Set("Access-Control-Allow-Credentials", "true")
	}
}

// Answer tells the browser whether the page may read the answer.
func (f *Filter) Answer(r *filter.Request, _ int, fields filter.Fields) {
	from, preflight := origin(r)
	if preflight {
		return
	}
	for _, name := range [...]string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers"} {
		fields.Del(name) // the edge's word counts
	}
	if f.varies {
		vary(fields)
	}
	if from == "" || !f.origins.has(from) || len(r.Fields.Values("Origin")) > 1 {
		return
	}
	f.allowed(fields, from)
	if f.expose != "" {
		fields.Set("Access-Control-Expose-Headers", f.expose)
	}
}

// vary says to caches that the answer differs by origin, also for who asked without one.
func vary(fields filter.Fields) {
	for _, value := range fields.Values("Vary") {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.Trim(name, " \t"); name == "*" || strings.EqualFold(name, "Origin") {
				return
			}
		}
	}
	fields.Add("Vary", "Origin")
}
