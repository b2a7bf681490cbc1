package problem

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// ContentType is the media type of a problem in JSON (RFC 9457).
const ContentType = "application/problem+json"

// maxBodyBytes bounds what Write sends; it is below what FromResponse reads.
const maxBodyBytes = 32 << 10

// Recorder is what a ResponseWriter implements to learn the error that [Write]
// answered with, causes and all, for an access log or a metric. It is looked for
// along Unwrap methods as http.ResponseController does.
type Recorder interface{ RecordError(err error) }

// document is the JSON form of an Error: RFC 9457's members, then ours.
type document struct {
	Type       string            `json:"type"`
	Title      string            `json:"title,omitempty"`
	Status     int               `json:"status"`
	Detail     string            `json:"detail,omitempty"`
	Instance   string            `json:"instance,omitempty"`
	Code       Code              `json:"code"`
	Details    []Detail          `json:"details,omitempty"`
	Meta       map[string]string `json:"meta,omitempty"`
	RetryAfter string            `json:"retry_after,omitempty"` // seconds with a fraction and "s"; the header has whole ones
}

// Write answers a request with err as application/problem+json, as [From] lets its
// caller see it. It sets the status, Retry-After (whole seconds, rounded up),
// Cache-Control: no-store and, on a 401 without one, WWW-Authenticate: Bearer, and
// removes headers that described the answer which is not given. A body over 32 KiB
// loses details, then metadata. Nothing may have been written to w before. r may be nil.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	record(w, err)
	e := From(err)
	if e == nil { // a fault of the program that calls, still to be answered
		e = From(New(Internal, "the service failed"))
	}
	shown := *e
	if shown.Instance == "" && r != nil && r.URL != nil {
		shown.Instance = r.URL.EscapedPath()
	}
	body := encode(shown.fit(maxBodyBytes, func(e *Error) int { return len(encode(e)) }))
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Language", "ETag", "Last-Modified", "Content-Range"} {
		h.Del(name)
	}
	h.Set("Content-Type", ContentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter-1)/time.Second)+1, 10))
	}
	status := e.HTTPStatus()
	if status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110, section 15.5.2: a 401 must name a challenge
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller is gone: nobody is left to tell
}

func encode(e *Error) []byte {
	d := document{
		Type: e.Type, Title: e.Title, Status: e.HTTPStatus(), Detail: e.Message, Instance: e.Instance,
		Code: e.Code.closed(), Details: e.Details, Meta: e.Meta,
	}
	if d.Type == "" || d.Type == blankType {
		d.Type = blankType
		if d.Title == "" {
			d.Title = statusText(d.Status)
		}
	}
	if e.RetryAfter > 0 {
		d.RetryAfter = seconds(e.RetryAfter)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(d) //nolint:errchkjson // cannot fail: only strings and a number
	return b.Bytes()
}

const blankType = "about:blank"

func statusText(status int) string {
	if status == statusClientClosedRequest {
		return "Client Closed Request"
	}
	return http.StatusText(status)
}

// seconds formats d as protobuf's JSON does, "1.5s"; time.ParseDuration reads it.
func seconds(d time.Duration) string {
	s := strconv.FormatInt(int64(d/time.Second), 10)
	if f := d % time.Second; f > 0 {
		digits := strconv.FormatInt(int64(time.Second+f), 10)[1:] // nine digits with leading zeros
		for digits[len(digits)-1] == '0' {
			digits = digits[:len(digits)-1]
		}
		s += "." + digits
	}
	return s + "s"
}

func record(w http.ResponseWriter, err error) {
	for w != nil {
		if rec, ok := w.(Recorder); ok {
			rec.RecordError(err)
			return
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = u.Unwrap()
	}
}
