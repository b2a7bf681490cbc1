// Package snapshot compiles what an edge is told, its routes and its filters, into a
// [Snapshot]: what never changes while requests are matched and judged by it. The next one
// takes over from the one before what both have, so that a filter's state, such as how
// often somebody asked, lives on when another route is added.
package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

// Document is what an edge does with requests, as its file and the admin API have it.
type Document struct {
	Routes []route.Route `json:"routes"` // must be there, may be empty
	// Filters are there to be named by routes and by Apply.
	Filters map[string]filter.Spec `json:"filters,omitempty"`
	// Apply names the filters of every route; they come before its own.
	Apply []string `json:"apply,omitempty"`
}

// Limits of a document.
const (
	MaxFilters = 1000 // of a document
	MaxChain   = 32   // filters of a route, those of Apply among them
)

// Parse reads a Document as JSON. An unknown member, one that is there twice in an object,
// another value behind it, or more than [route.MaxDocument] bytes are mistakes. The error is a *problem.Error, InvalidArgument;
// it says the line and column where the JSON itself is wrong. Whether the document can be
// used is found out by [Compile].
func Parse(data []byte) (Document, error) {
	var doc Document
	if len(data) > route.MaxDocument {
		return doc, problem.New(problem.InvalidArgument, "the routing table is larger than %d bytes", route.MaxDocument)
	}
	if err := Decode(data, &doc); err != nil {
		return doc, problem.New(problem.InvalidArgument, "the routing table is not valid JSON of its kind: %s", err)
	}
	if doc.Routes == nil {
		return doc, problem.New(problem.InvalidArgument, "the routing table is not valid").
			WithField("routes", "is missing; an empty table is []")
	}
	return doc, nil
}

// Misread is where a text is not the JSON that was wanted.
type Misread struct {
	Line, Column int // from 1 on, of the last byte that was read
	Reason       string
}

// Error says where, and why.
func (m *Misread) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", m.Line, m.Column, m.Reason)
}

// Decode reads JSON strictly: unknown members, one that is there twice in an object, and what
// follows the value are mistakes. The error is a *Misread.
func Decode(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return badJSON(data, d.InputOffset(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badJSON(data, d.InputOffset(), errors.New("something follows its end"))
	}
	if twice, offset := repeated(data); twice != "" {
		return badJSON(data, offset, fmt.Errorf("%q is there twice", twice))
	}
	return nil
}

// repeated returns the first name that is twice in one object, and where; encoding/json
// would have the last one count, and all else of it be lost. data is valid JSON. Objects are
// open from the outermost in; one that is nil is an array.
func repeated(data []byte) (name string, offset int64) {
	d := json.NewDecoder(bytes.NewReader(data))
	var open []map[string]bool
	isName := false // the next text in the innermost object
	for {
		token, err := d.Token()
		if err != nil {
			return "", 0
		}
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			isName = len(open) > 0 && open[len(open)-1] != nil
			continue
		case string:
			if isName {
				if seen := open[len(open)-1]; seen[t] {
					return t, d.InputOffset()
				}
				open[len(open)-1][t] = true
				isName = false
				continue
			}
		}
		isName = len(open) > 0 && open[len(open)-1] != nil
	}
}

func badJSON(data []byte, offset int64, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
		err = errors.New(filter.Mismatch(kind)) //nolint:err113 // said of this document
	}
	before := data[:min(max(offset, 0), int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := max(1, len(before)-bytes.LastIndexByte(before, '\n')-1) // of the last byte that was read
	return &Misread{Line: line, Column: column, Reason: err.Error()}
}
