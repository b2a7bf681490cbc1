// Package compress packs answers for clients that say they can unpack them: zstd (RFC 8878)
// where the client takes it, else gzip (RFC 1952), by klauspost/compress.
//
// What is packed already, too short, a part (206), a stream of events, gRPC or forbidden by
// Cache-Control: no-transform passes as it is, and at once. A strong ETag becomes a weak one, as
// the bytes are others (RFC 9110, 8.8.1); instances compare it weakly and answer 304 as before.
package compress

import (
	"cmp"
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzhttp"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

// Config is what the filter is told.
type Config struct {
	// MinSize is how long an answer must be to be packed, in bytes, where its length is known;
	// 0: 1024.
	MinSize int `json:"min_size,omitempty"`
	// Types are the media types that are packed: "text/html", "text/*". None: text, JSON, XML,
	// JavaScript, SVG, WebAssembly and protobuf.
	Types []string `json:"types,omitempty"`
	// Level of gzip, 1 (fastest) to 9; 0: 6.
	Level int `json:"level,omitempty"`
	// GzipOnly leaves zstd out.
	GzipOnly bool `json:"gzip_only,omitempty"`
	// Jitter adds up to so many random bytes, at most 1024, so that the length says less of a
	// secret beside which a client may place text of its own (BREACH); 0: none.
	Jitter int `json:"jitter,omitempty"`
}

const (
	defaultMinSize = 1024
	defaultLevel   = 6
	maxMinSize     = 16 << 20
	maxJitter      = 1024
)

// usual are the media types that shrink.
var usual = []string{
	"text/*", "application/json", "application/problem+json", "application/javascript", "application/xml", "application/xhtml+xml", "application/rss+xml",
	"application/atom+xml", "application/ld+json", "application/manifest+json", "application/graphql-response+json", "application/x-ndjson", "application/yaml",
	"application/wasm", "application/protobuf", "image/svg+xml",
}

// Make is the filter's [filter.Maker].
func Make(_ context.Context, _ filter.Env, with json.RawMessage) (filter.Filter, error) {
	var cfg Config
	if err := filter.Decode(with, &cfg); err != nil {
		return nil, err
	}
	cfg.MinSize, cfg.Level = cmp.Or(cfg.MinSize, defaultMinSize), cmp.Or(cfg.Level, defaultLevel)
	if len(cfg.Types) == 0 {
		cfg.Types = usual
	}
	e := problem.New(problem.InvalidArgument, "the filter cannot be made")
	if cfg.MinSize < 0 || cfg.MinSize > maxMinSize {
		e = e.WithField("min_size", "must be from 0 to 16777216 bytes")
	}
	if cfg.Level < 1 || cfg.Level > 9 {
		e = e.WithField("level", "must be from 1 (fastest) to 9 (smallest)")
	}
	if cfg.Jitter < 0 || cfg.Jitter > maxJitter {
		e = e.WithField("jitter", "must be from 0 to 1024 bytes")
	}
	for _, t := range cfg.Types {
		if kind, sub, ok := strings.Cut(t, "/"); !ok || kind == "" || sub == "" || kind == "*" || t != strings.ToLower(t) || strings.ContainsAny(t, "; ") {
			e = e.WithField("types", `must be media types in lower case, such as "text/html" or "text/*"`)
			break
		}
	}
	if len(e.Details) > 0 {
		return nil, e
	}
	wrap, err := gzhttp.NewWrapper(
		gzhttp.MinSize(cfg.MinSize), gzhttp.CompressionLevel(cfg.Level), gzhttp.EnableZstd(!cfg.GzipOnly),
		gzhttp.RandomJitter(cfg.Jitter, 0, false), gzhttp.SetContentType(false),
		gzhttp.ContentTypeFilter(func(string) bool { return true }), // asked of packs before
	)
	if err != nil {
		return nil, problem.Wrap(err, problem.InvalidArgument, "the filter cannot be made: %s", err)
	}
	return &packer{minSize: cfg.MinSize, types: cfg.Types, wrap: wrap}, nil
}

// packer is a [filter.Middleware].
type packer struct {
	minSize int
	types   []string
	wrap    func(http.Handler) http.HandlerFunc
}

var _ filter.Middleware = (*packer)(nil)

// Request lets every request pass.
func (*packer) Request(context.Context, *filter.Request) error { return nil }

// Wrap returns next with packed answers.
func (p *packer) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.wrap(http.HandlerFunc(func(packed http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&choice{packer: p, plain: w, packed: packed}, r)
		}))(w, r)
	})
}

// packs reports whether an answer of this kind shrinks by it and may be touched.
func (p *packer) packs(status int, h http.Header) bool {
	if status == http.StatusPartialContent || status == http.StatusSwitchingProtocols || h.Get("Content-Encoding") != "" || h.Get("Content-Range") != "" {
		return false
	}
	for _, v := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(directive), "no-transform") {
				return false
			}
		}
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind == "text/event-stream" {
		return false
	}
	group, _, _ := strings.Cut(kind, "/")
	return slices.Contains(p.types, kind) || slices.Contains(p.types, group+"/*")
}
