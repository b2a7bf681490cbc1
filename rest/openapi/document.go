package openapi

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Version is the version of OpenAPI that documents name.
const Version = "3.1.1"

// Document is a whole API. The fields of this and the types below are those of the
// specification under the same names; a nil or empty one is left out.
type Document struct {
	OpenAPI    string         `json:"openapi"`
	Info       Info           `json:"info"`
	Servers    []Server       `json:"servers,omitempty"`
	Paths      Map[*PathItem] `json:"paths"`
	Components *Components    `json:"components,omitempty"`
	Tags       []Tag          `json:"tags,omitempty"`
}

// Info tells what an API is called.
type Info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description,omitempty"`
}

// Server is a base URL.
type Server struct {
	URL string `json:"url"`
}

// Tag is a group of operations.
type Tag struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// PathItem holds the operations of one path.
type PathItem struct {
	Get    *Operation `json:"get,omitempty"`
	Put    *Operation `json:"put,omitempty"`
	Post   *Operation `json:"post,omitempty"`
	Delete *Operation `json:"delete,omitempty"`
	Patch  *Operation `json:"patch,omitempty"`
}

// Set puts an operation into the place of its method.
func (p *PathItem) Set(method string, o *Operation) {
	switch method {
	case "GET":
		p.Get = o
	case "PUT":
		p.Put = o
	case "POST":
		p.Post = o
	case "DELETE":
		p.Delete = o
	case "PATCH":
		p.Patch = o
	}
}

// Operations returns those there are.
func (p *PathItem) Operations() []*Operation {
	all := []*Operation{p.Get, p.Put, p.Post, p.Delete, p.Patch}
	return slices.DeleteFunc(all, func(o *Operation) bool { return o == nil })
}

// Operation is one method on one path.
type Operation struct {
	OperationID string         `json:"operationId"`
	Summary     string         `json:"summary,omitempty"`
	Description string         `json:"description,omitempty"`
	Tags        []string       `json:"tags,omitempty"`
	Deprecated  bool           `json:"deprecated,omitempty"`
	Parameters  []Parameter    `json:"parameters,omitempty"`
	RequestBody *RequestBody   `json:"requestBody,omitempty"`
	Responses   Map[*Response] `json:"responses"`
}

// Parameter is a value in the path, the query or a header.
type Parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"` // path, query or header
	Description string  `json:"description,omitempty"`
	Required    bool    `json:"required,omitempty"`
	Deprecated  bool    `json:"deprecated,omitempty"`
	Style       string  `json:"style,omitempty"`
	Explode     *bool   `json:"explode,omitempty"`
	Schema      *Schema `json:"schema"`
}

// RequestBody is the body an operation takes.
type RequestBody struct {
	Required bool           `json:"required,omitempty"`
	Content  Map[MediaType] `json:"content"`
}

// Response is one answer of an operation, or, with Ref alone, one of the components.
type Response struct {
	Ref         string         `json:"$ref,omitempty"`
	Description string         `json:"description,omitempty"`
	Headers     Map[Header]    `json:"headers,omitempty"`
	Content     Map[MediaType] `json:"content,omitempty"`
}

// Header is a header field of an answer.
type Header struct {
	Description string  `json:"description,omitempty"`
	Schema      *Schema `json:"schema"`
}

// MediaType is the form of a body.
type MediaType struct {
	Schema *Schema `json:"schema"`
}

// Components holds what several operations refer to.
type Components struct {
	Schemas   Map[*Schema]   `json:"schemas,omitempty"`
	Responses Map[*Response] `json:"responses,omitempty"`
}

// Map is a JSON object that keeps the order in which it was filled: a reader of the
// document sees paths and fields as their author wrote them.
type Map[V any] []Entry[V]

// Entry is one member of a [Map].
type Entry[V any] struct {
	Key   string
	Value V
}

// Get returns the value under key.
func (m Map[V]) Get(key string) (V, bool) {
	for _, e := range m {
		if e.Key == key {
			return e.Value, true
		}
	}
	var none V
	return none, false
}

// Set puts a value under key, in the place of the one that was there.
func (m *Map[V]) Set(key string, value V) {
	for i := range *m {
		if (*m)[i].Key == key {
			(*m)[i].Value = value
			return
		}
	}
	*m = append(*m, Entry[V]{key, value})
}

// MarshalJSON writes the entries as one object, in order.
func (m Map[V]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(e.Key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(e.Value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
