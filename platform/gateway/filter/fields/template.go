package fields

import (
	"fmt"
	"strings"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

// template is a text with places for what is known of a request, such as "user {subject}".
type template []piece

// piece is a text, or what fills a place.
type piece struct {
	text  string // also the name of a claim or field
	place func(r *filter.Request, name string) string
}

// places are what a template may name, and those that are named further.
func places() (plain, named map[string]func(r *filter.Request, name string) string) {
	plain = map[string]func(r *filter.Request, _ string) string{
		"subject":    func(r *filter.Request, _ string) string { return r.Subject.ID },
		"issuer":     func(r *filter.Request, _ string) string { return r.Subject.Issuer },
		"by":         func(r *filter.Request, _ string) string { return r.Subject.By },
		"scopes":     func(r *filter.Request, _ string) string { return strings.Join(r.Subject.Scopes, " ") },
		"request_id": func(r *filter.Request, _ string) string { return r.ID },
		"method":     func(r *filter.Request, _ string) string { return r.Method },
		"host":       func(r *filter.Request, _ string) string { return r.Host },
		"path":       func(r *filter.Request, _ string) string { return r.Path },
		"query":      func(r *filter.Request, _ string) string { return r.Query },
		"route":      func(r *filter.Request, _ string) string { return r.Route },
		"client": func(r *filter.Request, _ string) string {
			if !r.Client.IsValid() {
				return ""
			}
			return r.Client.Unmap().String()
		},
	}
	named = map[string]func(r *filter.Request, name string) string{
		"claim": func(r *filter.Request, name string) string {
			if r.Subject.Claims == nil {
				return ""
			}
			return r.Subject.Claims.Claim(name)
		},
		"field": func(r *filter.Request, name string) string { return r.Fields.Get(name) },
	}
	return plain, named
}

// parse reads a template. {{ and }} are braces.
func parse(text string) (template, error) {
	var t template
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			t = append(t, piece{text: plain.String()})
			plain.Reset()
		}
	}
	for text != "" {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			plain.WriteString(text)
			break
		}
		plain.WriteString(text[:i])
		if strings.HasPrefix(text[i:], "{{") || strings.HasPrefix(text[i:], "}}") {
			plain.WriteByte(text[i])
			text = text[i+2:]
			continue
		}
		inner, rest, ok := strings.Cut(text[i+1:], "}")
		if !ok || text[i] == '}' {
			return nil, fmt.Errorf("%.60q has a brace that is not closed or opened: write {{ and }} for braces", text)
		}
		p, err := placeOf(inner)
		if err != nil {
			return nil, err
		}
		flush()
		t = append(t, p)
		text = rest
	}
	flush()
	for _, p := range t {
		if p.place == nil && !filter.ValidValue(strings.Trim(p.text, " \t")) {
			return nil, fmt.Errorf("%.60q has characters that no field may have", p.text)
		}
	}
	return t, nil
}

func placeOf(inner string) (piece, error) {
	plain, named := places()
	if place, ok := plain[inner]; ok {
		return piece{place: place}, nil
	}
	word, name, _ := strings.Cut(inner, ":")
	if place, ok := named[word]; ok {
		if name == "" || word == "field" && !filter.ValidName(name) {
			return piece{}, fmt.Errorf("{%.60s} needs a name, such as {%s:email}", inner, word)
		}
		return piece{text: name, place: place}, nil
	}
	known := []string{"claim:NAME", "field:NAME"}
	for word := range plain {
		known = append(known, word)
	}
	if near := problem.Nearest(inner, known); near != "" {
		return piece{}, fmt.Errorf("{%.60s} is not known: did you mean {%s}?", inner, near)
	}
	return piece{}, fmt.Errorf("{%.60s} is not known: there are {subject}, {issuer}, {by}, {scopes}, {claim:NAME}, {field:NAME}, {client}, {request_id}, {method}, {host}, {path}, {query}, {route}", inner)
}

// fill returns the template's text for a request. It is "" when a place had nothing to fill
// it, or something that no field may have: half a value would say what is not so.
func (t template) fill(r *filter.Request) string {
	if len(t) == 1 && t[0].place == nil {
		return t[0].text
	}
	var b strings.Builder
	for _, p := range t {
		if p.place == nil {
			b.WriteString(p.text)
			continue
		}
		text := p.place(r, p.text)
		if text == "" || !filter.ValidValue(text) {
			return ""
		}
		b.WriteString(text)
	}
	return strings.Trim(b.String(), " \t")
}
