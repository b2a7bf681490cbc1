package openapi

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Results of holding an answer against the contract.
const (
	right     = "right"
	wrong     = "wrong"
	unchecked = "unchecked" // too large, packed, broken off or of a type nobody reads
)

// recorder keeps what passes through it, up to a bound.
type recorder struct {
	http.ResponseWriter

	most   int64
	status int
	body   []byte
	over   bool // there was more
}

// Unwrap leads http.ResponseController to what the connection can do.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader notes the final status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write keeps a copy.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if r.over = r.over || int64(len(r.body)+len(p)) > r.most; r.over {
		r.body = nil
	} else {
		r.body = append(r.body, p...)
	}
	return r.ResponseWriter.Write(p)
}

// answer holds one against what the operation says, and says the first thing that is wrong.
func (op *operation) answer(seen *recorder) (result, what string) {
	status := strconv.Itoa(seen.status)
	said := op.answers[status]
	for _, wider := range []string{status[:1] + "XX", "DEFAULT"} {
		if said == nil {
			said = op.answers[wider]
		}
	}
	h := seen.Header()
	switch {
	case seen.status == 0 || seen.over || h.Get("Content-Encoding") != "":
		return unchecked, ""
	case said == nil:
		return wrong, fmt.Sprintf("the contract has no answer %s", status)
	case len(seen.body) == 0 || len(said.types) == 0:
		return right, ""
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	schema, known := said.of(kind)
	switch {
	case err != nil || !known:
		return wrong, fmt.Sprintf("the contract has no answer %s of type %.80q", status, h.Get("Content-Type"))
	case schema == nil || !isJSON(kind):
		return unchecked, ""
	}
	v, reason := decode(kind, seen.body, schema)
	if reason != "" {
		return wrong, "its body " + reason
	}
	found := &findings{}
	if found.validate(schema, v, "body"); len(found.details) > 0 {
		return wrong, found.details[0].Field + " " + found.details[0].Reason
	}
	return right, ""
}

// limiter lets one through a second, so that a service that is always wrong does not fill the log.
type limiter struct {
	mu   sync.Mutex
	next time.Time
}

func (l *limiter) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.next) {
		return false
	}
	l.next = now.Add(time.Second)
	return true
}
