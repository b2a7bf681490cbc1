package filter_test

import (
	"slices"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// Of several who name the subject the last counts, and nothing stays of what the others told
// the service: scopes of one beside the name of another would be more than either gave.
func TestTheLastNameCounts(t *testing.T) {
	first := filter.Subject{ID: "ada", Issuer: "https://login.example", Scopes: []string{"read", "write"}, By: "jwt"}
	second := filter.Subject{ID: "cart", By: "mtls"}
	var made filter.Header
	teller := filter.Request{Fields: &made}
	teller.Identify(second)
	for name, identify := range map[string]func(*filter.Request){
		"Identify":   func(r *filter.Request) { r.Identify(second) },
		"IdentifyAs": func(r *filter.Request) { r.IdentifyAs(second, made) },
	} {
		t.Run(name, func(t *testing.T) {
			fields := &filter.Header{{Name: "Accept", Value: "text/html"}}
			r := &filter.Request{Fields: fields}
			r.Identify(first)
			if got := r.Fields.Get(filter.ScopesField); r.Subject.ID != "ada" || got != "read write" {
				t.Errorf("the first: %q, scopes %q", r.Subject.ID, got)
			}
			identify(r)
			want := filter.Header{{Name: "Accept", Value: "text/html"}, {Name: filter.SubjectField, Value: "cart"}, {Name: filter.ByField, Value: "mtls"}}
			if r.Subject.ID != "cart" || len(r.Subject.Scopes) != 0 || !slices.Equal(*fields, want) {
				t.Errorf("then: %+v, the service is told %q, want %q", r.Subject, *fields, want)
			}
		})
	}
}
