package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
)

// bind fills the In that dst points to from a request. Its errors are meant for the
// caller and name every fault found.
func (in *input) bind(dst any, w http.ResponseWriter, r *http.Request) error {
	v := reflect.ValueOf(dst).Elem()
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.Wrap(err, problem.InvalidArgument, "the query string is not well-formed: %s", err)
	}
	var faults []problem.Detail
	for i := range in.params {
		p := &in.params[i]
		if why := p.bind(v, p.texts(r, query)); why != "" {
			faults = append(faults, problem.Detail{Field: p.name, Reason: why})
		}
	}
	more, err := in.bindQuery(v, query)
	if err != nil {
		return err
	}
	faults = append(faults, more...)
	if in.body != nil {
		more, err := in.bindBody(v, w, r)
		if err != nil {
			return err
		}
		faults = append(faults, more...)
	}
	return refusal(faults)
}

// bindQuery reads the list's parameters, and refuses what is not known.
func (in *input) bindQuery(v reflect.Value, query url.Values) ([]problem.Detail, error) {
	if in.paging == nil {
		var faults []problem.Detail
		for _, name := range slices.Sorted(maps.Keys(query)) {
			if !slices.Contains(in.queries, name) && len(faults) < maxFaults {
				faults = append(faults, problem.Detail{Field: clip(name), Reason: "is not a known query parameter" + hint(name, in.queries)})
			}
		}
		return faults, nil
	}
	for _, name := range in.queries { // a fresh map, ours to change
		delete(query, name)
	}
	q, err := page.Parse(query, in.spec)
	if err != nil {
		var e *problem.Error
		if errors.As(err, &e) && e.Code == problem.InvalidArgument {
			return e.Details, nil
		}
		return nil, err
	}
	if len(in.paging) > 0 {
		v = v.FieldByIndex(in.paging)
	}
	v.Set(reflect.ValueOf(q))
	return nil, nil
}

// maxFaults bounds how many unknown parameters are told.
const maxFaults = 20

func hint(name string, known []string) string {
	switch near := problem.Nearest(name, known); {
	case near != "":
		return fmt.Sprintf("; did you mean %q?", near)
	case len(known) == 0:
		return "; there are none here"
	}
	return "; known are " + strings.Join(known, ", ")
}

func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// refusal makes one error of all faults, nil of none.
func refusal(faults []problem.Detail) error {
	if len(faults) == 0 {
		return nil
	}
	text := fmt.Sprintf("%d values of the request are wrong", len(faults))
	if len(faults) == 1 {
		if text = faults[0].Reason; faults[0].Field != "" {
			text = fmt.Sprintf("%q %s", faults[0].Field, text)
		}
	}
	e := problem.New(problem.InvalidArgument, "%s", text)
	e.Details = faults
	return e
}

// bindBody reads the body, holds it against the schema and decodes it.
func (in *input) bindBody(v reflect.Value, w http.ResponseWriter, r *http.Request) ([]problem.Detail, error) {
	text, err := in.readBody(w, r)
	if err != nil {
		return nil, err
	}
	if len(text) == 0 && !in.bodyMust {
		return nil, nil
	}
	if len(text) == 0 {
		return []problem.Detail{{Reason: "the request has no body; a JSON body is needed"}}, nil
	}
	if err := checkMedia(r); err != nil {
		w.Header().Set("Accept-Encoding", "identity") // RFC 9110, section 15.5.16: what would have been taken
		return nil, err
	}
	if faults := in.body.Check(text); len(faults) > 0 {
		return faults, nil
	}
	to := v.Addr()
	if in.bodyAt != nil {
		to = v.FieldByIndex(in.bodyAt).Addr()
	}
	// Only names of the body's own fields are left, so that nothing else of In,
	// such as one taken from the path, can be reached from here.
	if err := json.Unmarshal(text, to.Interface()); err != nil {
		return []problem.Detail{{Reason: "the body is not valid: " + err.Error()}}, nil //nolint:nilerr // it is told
	}
	return nil, nil
}

func (in *input) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	var b bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= in.maxBody {
		b.Grow(int(n) + bytes.MinRead)
	}
	_, err := io.Copy(&b, http.MaxBytesReader(w, r.Body, in.maxBody))
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return nil, problem.Wrap(err, problem.TooLarge, "the body is larger than %d bytes", big.Limit)
	case err != nil && r.Context().Err() != nil:
		return nil, r.Context().Err()
	case err != nil:
		return nil, problem.Wrap(err, problem.InvalidArgument, "the body could not be read to its end")
	}
	return b.Bytes(), nil
}

// checkMedia asks for the media type, which also keeps out what a foreign web page may
// send without asking (a cross-origin form or a plain-text fetch), and for a body as
// it is read here: in UTF-8 (RFC 8259, section 8.1) and not compressed.
func checkMedia(r *http.Request) error {
	refuse := func(field, format string, args ...any) error {
		e := problem.New(problem.InvalidArgument, format, args...).WithField(field, "is not taken here")
		e.Status = http.StatusUnsupportedMediaType
		return e
	}
	for _, coding := range r.Header.Values("Content-Encoding") {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return refuse("Content-Encoding", "the body must be sent as it is, without Content-Encoding: %s", clip(coding))
		}
	}
	contentType := r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil || media != "application/json" && !strings.HasSuffix(media, "+json"):
		return refuse("Content-Type", "the body must be JSON with Content-Type: application/json, not %q", clip(contentType))
	case media == "application/merge-patch+json" && r.Method != http.MethodPatch: // RFC 7396
		return refuse("Content-Type", "%s is for PATCH; send application/json", media)
	case params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8"):
		return refuse("Content-Type", "the body must be in UTF-8, not in %q", clip(params["charset"]))
	}
	return nil
}
