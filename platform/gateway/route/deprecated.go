package route

import (
	"net/http"
	"strconv"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// Tell sets the fields by which clients learn of it: Deprecation (RFC 9745), Sunset (RFC
// 8594) and Link. A service that tells of its own is not talked over.
func (d *Deprecated) Tell(fields filter.Fields) {
	if fields.Get("Deprecation") == "" {
		fields.Set("Deprecation", "@"+strconv.FormatInt(d.Since.Unix(), 10))
	}
	if !d.Sunset.IsZero() && fields.Get("Sunset") == "" {
		fields.Set("Sunset", d.Sunset.UTC().Format(http.TimeFormat))
	}
	if d.Link != "" {
		fields.Add("Link", "<"+d.Link+`>; rel="deprecation"`)
	}
}

// Over reports whether the route answers no more.
func (d *Deprecated) Over(now time.Time) bool {
	return d.Gone && !d.Sunset.IsZero() && !now.Before(d.Sunset.Time)
}
