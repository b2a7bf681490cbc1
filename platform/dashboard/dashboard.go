// Package dashboard serves the web application in which people see the fleet: its pages,
// styles, scripts and fonts, built by tools/bundle and embedded. The figures come from
// the addresses below /v1, which are served beside it.
package dashboard

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/musterdev/muster/problem"
)

//go:embed dist
var dist embed.FS

// Config says what the dashboard is. Its zero value is usable.
type Config struct {
	Title string // beside the name in the rail: the fleet's; "" for none
	Files fs.FS  // the application as tools/bundle builds it; nil: the embedded one
}

// policy lets a page load and ask only what this server serves. Styles are set by script
// through the object model, which needs no exception.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pages are the first parts of the paths at which the application draws a page; the empty
// one is the overview. They are those of web/src/app/pages.ts.
var pages = map[string]bool{
	"": true, "map": true, "traces": true, "logs": true, "explore": true,
	"sagas": true, "queues": true, "registry": true, "health": true,
}

// Handler serves the dashboard: the application at every path of a page ("/",
// "/traces/{id}"), so that each address can be opened directly, and its files below
// /assets/. It answers GET and HEAD, with gzip where that is accepted, and 304 where the
// browser has the same bytes. Any other path is 404, as a page to a browser and as a
// problem document to others. Mount it at "/".
func Handler(cfg Config) http.Handler {
	if cfg.Files == nil {
		cfg.Files, _ = fs.Sub(dist, "dist") // the name is a constant, and valid
	}
	files, err := load(cfg.Files, cfg.Title)
	if err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, err) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { files.serve(w, r) })
}

func (files files) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", policy)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		p := problem.New(problem.Unimplemented, "the dashboard takes GET only")
		p.Status = http.StatusMethodNotAllowed
		problem.Write(w, r, p)
		return
	}
	name, asset := strings.CutPrefix(r.URL.Path, "/assets/")
	if !asset {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch {
		case pages[first]:
			files["index.html"].serve(w, r, http.StatusOK)
		case strings.Contains(r.Header.Get("Accept"), "text/html"):
			files["index.html"].serve(w, r, http.StatusNotFound)
		default:
			problem.Write(w, r, problem.New(problem.NotFound, "there is nothing at %.200q", r.URL.Path))
		}
		return
	}
	f, ok := files[name]
	if !ok || name == "index.html" {
		problem.Write(w, r, problem.New(problem.NotFound, "the dashboard has no file %.200q", path.Base(name)))
		return
	}
	f.serve(w, r, http.StatusOK)
}
