package gateways

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// work is what a proxy is to do in a run.
type work struct {
	name  string // of the row
	title string
	path  string // of the upstream's file
	TLS   bool
	fresh bool // a new connection for each request
	Full  bool // tokens, a limit for each subject, a log, metrics
	ways  int  // routes; 0: one
}

// settings are the rows.
func settings() []work {
	return []work{
		{name: "plain", title: "plain, 1 KiB", path: "/1k"},
		{name: "full", title: "JWT RS256, limit for each subject, JSON log, metrics", path: "/1k", Full: true},
		{name: "16k", title: "plain, 16 KiB", path: "/16k"},
		{name: "1m", title: "plain, 1 MiB", path: "/1m"},
		{name: "tls", title: "TLS, connections kept, 1 KiB", path: "/1k", TLS: true},
		{name: "tls-new", title: "TLS, a connection for each request, 1 KiB", path: "/1k", TLS: true, fresh: true},
	}
}

// The peers.
const (
	muster   = "Muster"
	haproxy  = "HAProxy"
	nginx    = "nginx"
	fasthttp = "fasthttp"
	reverse  = "net/http"
)

// peers are those that do a work.
func (w *world) peers(of work) []string {
	if of.Full {
		return []string{muster, haproxy}
	}
	all := []string{muster, haproxy, nginx, reverse}
	if w.fasthttp != "" {
		all = append(all, fasthttp)
	}
	return all
}

// proxy is a peer at work.
type proxy struct {
	*process

	url string
}

// run starts a peer.
func (w *world) run(ctx context.Context, peer string, of work) (*proxy, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	p := &proxy{url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	if of.TLS {
		p.url = fmt.Sprintf("https://127.0.0.1:%d", port)
	}
	with := struct {
		*world
		work

		Port int
	}{w, of, port}
	var program, file string
	var args []string
	switch peer {
	case haproxy:
		file, err = w.write("haproxy.cfg", "haproxy.cfg", with)
		program, args = "haproxy", []string{"-db", "-f", file}
	case nginx:
		file, err = w.write("nginx.conf", "nginx.conf", with)
		program, args = "nginx", []string{"-c", file, "-p", w.Dir}
	case reverse, fasthttp:
		upstream := fmt.Sprintf("127.0.0.1:%d", w.Upstream)
		program = w.fasthttp
		if peer == reverse {
			program, upstream = w.reverse, "http://"+upstream
		}
		args = []string{"-listen", fmt.Sprintf("127.0.0.1:%d", port), "-upstream", upstream}
		if of.TLS {
			args = append(args, "-cert", filepath.Join(w.Dir, "cert.pem"), "-key", filepath.Join(w.Dir, "key.pem"))
		}
	default:
		file, err = w.edge(of, port)
		program, args = w.binary, []string{"engine", "edge", "--config", file}
	}
	if err != nil {
		return nil, err
	}
	p.process, err = start(ctx, proxyCore, w.Dir, "proxy", program, args...)
	return p, err
}

// edge writes what the edge needs and returns its file: one that stands alone, with fixed
// instances.
func (w *world) edge(of work, port int) (string, error) {
	dir := filepath.Join(w.Dir, "edge")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	type object = map[string]any
	routes := object{"routes": []object{{"path": "/", "service": "up"}}}
	if of.ways > 0 {
		list := make([]object, 0, of.ways)
		for n := range of.ways {
			list = append(list, object{"path": fmt.Sprintf("/area-%d/v%d/things", n/10, n), "service": "up"})
		}
		routes["routes"] = append(list, object{"path": "/", "service": "up"})
	}
	if of.Full {
		routes["filters"] = object{
			"login": object{"kind": "jwt", "with": w.jwt()},
			"fair":  object{"kind": "limit", "with": limit()},
		}
		routes["apply"] = []string{"login", "fair"}
	}
	edge := object{
		"listen": fmt.Sprintf("127.0.0.1:%d", port), "admin": filepath.Join(dir, "admin.sock"),
		"routes": filepath.Join(dir, "routes.json"), "instances": object{"up": []string{fmt.Sprintf("127.0.0.1:%d", w.Upstream)}},
	}
	if of.Full {
		edge["access_log"] = filepath.Join(dir, "access.log")
	}
	if of.TLS {
		edge["listen"], edge["tls"] = "127.0.0.1:0", w.tls(port)
	}
	for name, v := range map[string]any{"edge.json": edge, "routes.json": routes} {
		text, err := json.MarshalIndent(v, "", "\t")
		if err := cmp.Or(err, os.WriteFile(filepath.Join(dir, name), text, 0o644)); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "edge.json"), nil
}

func (w *world) jwt() map[string]any {
	return map[string]any{"issuer": "https://issuer.example", "audience": []string{"bench"}, "jwks_file": filepath.Join(w.Dir, "jwks.json")}
}

func limit() map[string]any { return map[string]any{"rate": "1000000/s", "by": "subject"} }

// tls has the edge speak it at the port; without it the edge listens elsewhere.
func (w *world) tls(port int) map[string]any {
	return map[string]any{"listen": fmt.Sprintf("127.0.0.1:%d", port), "default": "localhost", "files": []any{
		map[string]any{"cert": filepath.Join(w.Dir, "cert.pem"), "key": filepath.Join(w.Dir, "key.pem")},
	}}
}
