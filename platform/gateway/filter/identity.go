package filter

import "strings"

// Names of the fields by which the edge tells services who asks. From outside they are
// dropped, in each spelling that a program may take for the same.
const (
	SubjectField = "X-Auth-Subject" // Subject.ID
	IssuerField  = "X-Auth-Issuer"
	ScopesField  = "X-Auth-Scopes" // separated by spaces
	ByField      = "X-Auth-By"
)

// Identify notes who asks and tells the service. Of several filters that do the last one
// counts, and nothing is left of what those before it said in these fields.
func (r *Request) Identify(s Subject) {
	r.forget()
	r.Subject = s
	r.Fields.Set(SubjectField, s.ID)
	r.Fields.Set(ByField, s.By)
	if s.Issuer != "" {
		r.Fields.Set(IssuerField, s.Issuer)
	}
	if len(s.Scopes) > 0 {
		r.Fields.Set(ScopesField, strings.Join(s.Scopes, " "))
	}
}

// IdentifyAs is Identify with fields that were made before, as by Identify of a Request whose
// Fields are a [Header]: it allocates nothing.
func (r *Request) IdentifyAs(s Subject, told Header) {
	r.forget()
	r.Subject = s
	for i := range told {
		r.Fields.Set(told[i].Name, told[i].Value)
	}
}

func (r *Request) forget() {
	if r.Subject.ID == "" {
		return
	}
	for _, name := range [...]string{SubjectField, IssuerField, ScopesField, ByField} {
		r.Fields.Del(name)
	}
}

// Purge deletes fields in each spelling that a program may take for the same, such as
// X_Auth_Subject: one behind CGI or WSGI cannot tell them apart.
func Purge(fields Fields, names ...string) {
	var found []string
	fields.Each(func(name, _ string) bool {
		for _, n := range names {
			if SameField(name, n) {
				found = append(found, name)
			}
		}
		return true
	})
	for _, name := range found {
		fields.Del(name)
	}
}

// SameField reports whether a program may take two names of fields for the same: without
// regard to case, and to whether a "-" is a "_".
func SameField(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if folded(a[i]) != folded(b[i]) {
			return false
		}
	}
	return true
}

func folded(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case c == '_':
		return '-'
	}
	return c
}
