package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// files are the application's, by name.
type files map[string]*file

// file is ready to be sent.
type file struct {
	kind   string // Content-Type
	etag   string // without quotes
	plain  []byte
	packed []byte // gzip; nil where that saves nothing
}

var kinds = map[string]string{
	".html":  "text/html; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".woff2": "font/woff2",
}

func load(from fs.FS, title string) (files, error) {
	entries, err := fs.ReadDir(from, ".")
	if err != nil {
		return nil, fmt.Errorf("the dashboard is not built (make dashboard): %w", err)
	}
	all := files{}
	for _, e := range entries {
		body, err := fs.ReadFile(from, e.Name())
		if err != nil {
			return nil, err
		}
		if e.Name() == "index.html" {
			meta := `<meta name="muster-title" content="` + html.EscapeString(title) + `">`
			body = bytes.Replace(body, []byte("</head>"), []byte(meta+"\n</head>"), 1)
		}
		f, err := newFile(e.Name(), body)
		if err != nil {
			return nil, err
		}
		all[e.Name()] = f
	}
	if all["index.html"] == nil {
		return nil, fmt.Errorf("the dashboard is built without its index.html: build it again (make dashboard)")
	}
	return all, nil
}

func newFile(name string, body []byte) (*file, error) {
	sum := sha256.Sum256(body)
	f := &file{kind: kinds[path.Ext(name)], etag: base64.RawURLEncoding.EncodeToString(sum[:12]), plain: body}
	if f.kind == "" {
		return nil, fmt.Errorf("the dashboard's file %s is of no kind that is served", name)
	}
	if f.kind == kinds[".woff2"] {
		return f, nil // is compressed
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(body)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, err
	}
	f.packed = packed.Bytes()
	return f, nil
}

// serve answers with the file. Names stay the same from build to build, so that a browser
// asks each time; it is answered 304 unless something changed.
func (f *file) serve(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	body, etag := f.plain, `"`+f.etag+`"`
	if f.packed != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		body, etag = f.packed, `"`+f.etag+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if status == http.StatusOK && matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // else the browser is gone
	}
}

// matches reports whether If-None-Match names etag, weakly (RFC 9110, 13.1.2).
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == etag {
			return true
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3) as far as gzip goes.
func acceptsGzip(header string) bool {
	for one := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(one, ";")
		if c := strings.TrimSpace(coding); c != "gzip" && c != "*" {
			continue
		}
		q, weighted := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if !weighted {
			return true
		}
		n, err := strconv.ParseFloat(q, 64)
		return err == nil && n > 0
	}
	return false
}
