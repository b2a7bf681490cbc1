package filter

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Field is one line of a header.
type Field struct{ Name, Value string }

// Header is a short list of fields, as filters make it. It is [Fields].
type Header []Field

var _ Fields = (*Header)(nil)

// Get returns the first value of a field, "" when there is none.
func (h *Header) Get(name string) string {
	for _, f := range *h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Values returns all values of a field, in their order.
func (h *Header) Values(name string) (values []string) {
	for _, f := range *h {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// Set puts one value in the place of all.
func (h *Header) Set(name, value string) {
	h.Del(name)
	h.Add(name, value)
}

// Add adds a value.
func (h *Header) Add(name, value string) { *h = append(*h, Field{name, value}) }

// Del deletes a field.
func (h *Header) Del(name string) {
	kept := (*h)[:0]
	for _, f := range *h {
		if !strings.EqualFold(f.Name, name) {
			kept = append(kept, f)
		}
	}
	*h = kept
}

// Each calls f with each field line, until it returns false.
func (h *Header) Each(f func(name, value string) bool) {
	for _, line := range *h {
		if !f(line.Name, line.Value) {
			return
		}
	}
}

// NetHTTP is a header of net/http as [Fields].
type NetHTTP http.Header

var _ Fields = NetHTTP(nil)

// Get returns the first value of a field, "" when there is none.
func (h NetHTTP) Get(name string) string { return http.Header(h).Get(name) }

// Values returns all values of a field, in their order.
func (h NetHTTP) Values(name string) []string { return http.Header(h).Values(name) }

// Set puts one value in the place of all.
func (h NetHTTP) Set(name, value string) { http.Header(h).Set(name, value) }

// Add adds a value. Values that others share are not changed.
func (h NetHTTP) Add(name, value string) {
	name = textproto.CanonicalMIMEHeaderKey(name)
	h[name] = append(slices.Clip(h[name]), value)
}

// Del deletes a field.
func (h NetHTTP) Del(name string) { http.Header(h).Del(name) }

// Each calls f with each field line, until it returns false.
func (h NetHTTP) Each(f func(name, value string) bool) {
	for name, values := range h {
		for _, v := range values {
			if !f(name, v) {
				return
			}
		}
	}
}
