package problem

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxReadBytes bounds how much of a failed answer's body is read.
const maxReadBytes = 64 << 10

// maxRetryAfter bounds what is believed of another program's Retry-After.
const maxRetryAfter = 365 * 24 * time.Hour

// maxExcerpt bounds how much of a foreign body goes into the log, in bytes.
const maxExcerpt = 500

// FromResponse returns the *Error an HTTP answer stands for, nil when its status is
// below 400. It understands problem+json of this package and of others (extension
// members go into Meta, the common forms of field errors into Details) and any other
// body: of those the text is kept in the cause, for the log, and the message names
// only the status. It reads at most 64 KiB and leaves closing the body to its caller.
func FromResponse(res *http.Response) error {
	if res == nil || res.StatusCode < 400 {
		return nil
	}
	var body []byte
	var readErr error
	if res.Body != nil {
		body, readErr = io.ReadAll(io.LimitReader(res.Body, maxReadBytes))
	}
	e := &Error{Code: FromHTTPStatus(res.StatusCode)}
	if mediaType(res) != ContentType || !e.readProblem(body, res.StatusCode) {
		*e = Error{Code: e.Code}
		e.Message = fmt.Sprintf("the service called answered %d %s", res.StatusCode, statusText(res.StatusCode))
		e.cause = foreign(res, body, readErr)
	}
	if e.Code.HTTPStatus() != res.StatusCode {
		e.Status = res.StatusCode
	}
	if e.RetryAfter == 0 {
		e.RetryAfter = retryAfter(res)
	}
	return e
}

// readProblem fills e from a problem+json body and reports whether it was one.
func (e *Error) readProblem(body []byte, status int) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return false
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(members[name], &s) // RFC 9457, section 3.1: a member of the wrong type is ignored
		return s
	}
	e.Type, e.Title, e.Message, e.Instance = text("type"), text("title"), text("detail"), text("instance")
	if e.Type == blankType {
		e.Type = ""
	}
	if e.Type == "" && e.Title == statusText(status) {
		e.Title = ""
	}
	code := Code(text("code"))
	if code.closed() == code && (code.HTTPStatus() == status || FromHTTPStatus(status) == code) {
		e.Code = code
		delete(members, "code")
	}
	if d, err := time.ParseDuration(text("retry_after")); err == nil && d > 0 {
		e.RetryAfter = d
		delete(members, "retry_after")
	}
	for _, name := range []string{"details", "errors", "invalid-params"} {
		if details, ok := readDetails(members[name]); ok {
			e.Details = append(e.Details, details...)
			delete(members, name)
		}
	}
	var meta map[string]string
	if json.Unmarshal(members["meta"], &meta) == nil {
		e.addMeta(meta)
		delete(members, "meta")
	}
	for name, raw := range members {
		switch name {
		case "type", "title", "status", "detail", "instance":
			continue
		}
		e.addMeta(map[string]string{name: plain(raw)})
	}
	return true
}

// readDetails understands a list of objects (ours, RFC 9457's example, RFC 7807's
// invalid-params, several frameworks' errors) and an object of lists of reasons.
func readDetails(raw json.RawMessage) ([]Detail, bool) {
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw, &list) == nil && list != nil {
		details := make([]Detail, 0, len(list))
		for _, item := range list {
			first := func(names ...string) string {
				for _, n := range names {
					if s := plain(item[n]); s != "" {
						return s
					}
				}
				return ""
			}
			details = append(details, Detail{
				Field:  first("field", "pointer", "name", "location"),
				Reason: first("reason", "detail", "message"),
			})
		}
		return details, true
	}
	var byField map[string][]string
	if json.Unmarshal(raw, &byField) != nil || byField == nil {
		return nil, false
	}
	var details []Detail
	for _, field := range sortedKeys(byField) {
		for _, reason := range byField[field] {
			details = append(details, Detail{Field: field, Reason: reason})
		}
	}
	return details, true
}

// plain returns a JSON string's text, and any other value in compact JSON.
func plain(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) == nil {
		return s
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return ""
	}
	return b.String()
}

// foreign describes an answer that is not a problem document, for the log.
func foreign(res *http.Response, body []byte, readErr error) error {
	where := "an answer"
	if r := res.Request; r != nil && r.URL != nil {
		where = fmt.Sprintf("%s %s://%s%s", r.Method, r.URL.Scheme, r.URL.Host, r.URL.Path) // no query, no password
	}
	excerpt := strings.Join(strings.Fields(valid(string(body[:min(len(body), maxExcerpt)]))), " ")
	if len(body) > maxExcerpt {
		excerpt += " …"
	}
	if readErr != nil {
		return fmt.Errorf("%s: %d, body %q: %w", where, res.StatusCode, excerpt, readErr)
	}
	return fmt.Errorf("%s: %d, body %q", where, res.StatusCode, excerpt)
}

func mediaType(res *http.Response) string {
	t, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// retryAfter reads the header in both forms of RFC 9110, section 10.2.3. A date is
// taken against the answer's own Date, so that a wrong clock here does no harm.
func retryAfter(res *http.Response) time.Duration {
	v := strings.TrimSpace(res.Header.Get("Retry-After"))
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Duration(max(0, min(n, int64(maxRetryAfter/time.Second)))) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, min(at.Sub(now), maxRetryAfter))
}
