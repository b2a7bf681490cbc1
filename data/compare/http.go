package compare

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/musterdev/muster/problem"
)

// Handler lets another service compare its copy with s: keys and checksums, no data. Mount it where only services come
// in, such as /.muster/compare/products:
//
//	GET ?after=KEY&upto=KEY&limit=500   [{"key": "...", "sum": "..."}, ...]
func Handler(s Side) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, err := rangeOf(r)
		var rows []Row
		if err == nil {
			rows, err = s.Rows(r.Context(), at)
		}
		var body []byte
		if err == nil {
			body, err = json.Marshal(append([]Row{}, rows...))
		}
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n')) // else the client is gone
	})
}

func rangeOf(r *http.Request) (at Range, err error) {
	if r.Method != http.MethodGet {
		return at, problem.New(problem.NotFound, "there is no %s %s here", r.Method, r.URL.Path)
	}
	at = Range{Limit: defaultRows}
	for name, values := range r.URL.Query() {
		why := ""
		switch name {
		case "after":
			at.After = values[0]
		case "upto":
			at.Upto = values[0]
		case "limit":
			if at.Limit, err = strconv.Atoi(values[0]); err != nil || at.Limit < 1 || at.Limit > MostRows {
				why = "from 1 to " + strconv.Itoa(MostRows)
			}
		default:
			why = "known are after, upto and limit"
		}
		if len(values) > 1 {
			why = "given more than once"
		}
		if why != "" {
			return at, problem.New(problem.InvalidArgument, "the parameter %.100s: %s", name, why).WithField(name, why)
		}
	}
	return at, nil
}

// Remote is a side that another service tells by [Handler].
type Remote struct {
	Client *http.Client // such as muster's App.Client; nil: http.DefaultClient
	URL    string       // of the Handler: "http://catalog/.muster/compare/products"
}

// mostAnswer bounds what is read of an answer: a page of the longest keys that are sensible.
const mostAnswer = 8 << 20

// Rows implements [Side].
func (s Remote) Rows(ctx context.Context, r Range) ([]Row, error) {
	at, err := url.Parse(s.URL)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	at.RawQuery = url.Values{"after": {r.After}, "upto": {r.Upto}, "limit": {strconv.Itoa(r.Limit)}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	client := s.Client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // it was read, or is of no use
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("compare: %s answers %s: the address of a compare.Handler is needed", s.URL, res.Status)
	}
	var rows []Row
	if err := json.NewDecoder(io.LimitReader(res.Body, mostAnswer)).Decode(&rows); err != nil {
		return nil, fmt.Errorf("compare: %s does not answer as a compare.Handler does: %w", s.URL, err)
	}
	return rows, nil
}
