package route

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/musterdev/muster/problem"
)

// Document is a table in JSON, as the admin API and the edge's file have it.
type Document struct {
	Routes []Route `json:"routes"` // must be there, may be empty
}

// Parse compiles a table from a [Document]. An unknown member, another value behind
// it or more than [MaxDocument] bytes are mistakes. The error is a *problem.Error,
// InvalidArgument; it says the line and column where the JSON itself is wrong.
func Parse(data []byte) (*Table, error) {
	if len(data) > MaxDocument {
		return nil, problem.New(problem.InvalidArgument, "the routing table is larger than %d bytes", MaxDocument)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var doc Document
	if err := d.Decode(&doc); err != nil {
		return nil, badJSON(data, d.InputOffset(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, badJSON(data, d.InputOffset(), errors.New("something follows the table"))
	}
	if doc.Routes == nil {
		return nil, problem.New(problem.InvalidArgument, "the routing table is not valid").
			WithField("routes", "is missing; an empty table is []")
	}
	return New(doc.Routes)
}

// MarshalJSON writes the table as a [Document].
func (t *Table) MarshalJSON() ([]byte, error) {
	doc := Document{Routes: t.routes}
	if doc.Routes == nil {
		doc.Routes = []Route{}
	}
	return json.Marshal(doc)
}

func badJSON(data []byte, offset int64, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
		err = fmt.Errorf("%s must be %s, not %s", kind.Field, kind.Type, kind.Value)
	}
	before := data[:min(max(offset, 0), int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := max(1, len(before)-bytes.LastIndexByte(before, '\n')-1) // of the last byte that was read
	return problem.New(problem.InvalidArgument, "the routing table is not valid JSON of its kind: line %d, column %d: %s", line, column, err)
}
