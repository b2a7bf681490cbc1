package compress

import (
	"net/http"
	"strconv"
	"strings"
)

// choice writes an answer packed or plain, as its header says once it is whole.
type choice struct {
	packer *packer
	plain  http.ResponseWriter
	packed http.ResponseWriter
	chosen http.ResponseWriter // nil: the final header is not there yet
}

// Header returns the answer's, which both ways share.
func (c *choice) Header() http.Header { return c.plain.Header() }

// Unwrap leads http.ResponseController to what the connection can do.
func (c *choice) Unwrap() http.ResponseWriter { return c.plain }

// WriteHeader chooses the way.
func (c *choice) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		c.plain.WriteHeader(status)
		return
	}
	if c.chosen == nil {
		c.choose(status)
		c.chosen.WriteHeader(status)
	}
}

func (c *choice) choose(status int) {
	h := c.Header()
	c.chosen = c.plain
	if !c.packer.packs(status, h) {
		return
	}
	vary(h)
	if n, err := strconv.Atoi(h.Get("Content-Length")); err == nil && n < c.packer.minSize {
		return
	}
	c.chosen = c.packed
	if tag := h.Get("Etag"); strings.HasPrefix(tag, `"`) && !plainly(c.packed) {
		h.Set("Etag", "W/"+tag)
	}
}

// Write writes a part of the body.
func (c *choice) Write(p []byte) (int, error) {
	if c.chosen == nil {
		c.WriteHeader(http.StatusOK)
	}
	return c.chosen.Write(p)
}

// FlushError sends what was written; of an answer that begins late its header too, unless it is
// to be packed.
func (c *choice) FlushError() error {
	if c.chosen == nil {
		c.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(c.chosen).Flush()
}

// vary notes that the answer depends on what the client can unpack (RFC 9110, 12.5.5).
func vary(h http.Header) {
	for _, v := range h.Values("Vary") {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Accept-Encoding") {
				return
			}
		}
	}
	h.Add("Vary", "Accept-Encoding")
}

// plainly reports whether the client can unpack nothing: then the way for packed answers is
// gzhttp's plain one.
func plainly(w http.ResponseWriter) bool {
	_, packs := w.(interface{ Close() error })
	return !packs
}
