// Package credential reads what a request shows to say who asks, a token or a key, out of the
// places where it may stand, and takes it away from there.
package credential

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// Place is where a credential is looked for. As JSON it is a text:
//
//	bearer       Authorization: Bearer CREDENTIAL
//	header NAME  a field
//	cookie NAME  a cookie
//	query NAME   a parameter of the query
//
// The zero value is bearer.
type Place struct {
	kind string // "" bearer
	name string
}

// Bearer returns the place of the Authorization field.
func Bearer() Place { return Place{} }

// Header returns the place of a field.
func Header(name string) Place { return Place{"header", name} }

// IsBearer reports whether the place is that of the Authorization field.
func (p Place) IsBearer() bool { return p.kind == "" }

// String returns what UnmarshalText reads.
func (p Place) String() string {
	if p.kind == "" {
		return "bearer"
	}
	return p.kind + " " + p.name
}

// MarshalJSON writes what UnmarshalJSON reads.
func (p Place) MarshalJSON() ([]byte, error) { return json.Marshal(p.String()) }

// UnmarshalJSON reads a place.
func (p *Place) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return errors.New(`a place must be a text such as "bearer" or "header X-API-Key"`)
	}
	kind, name, _ := strings.Cut(text, " ")
	switch {
	case text == "bearer":
		*p = Place{}
		return nil
	case kind != "header" && kind != "cookie" && kind != "query":
		return fmt.Errorf("%.40q is no place of a credential: there are bearer, header NAME, cookie NAME and query NAME", text)
	case !filter.ValidName(name):
		return fmt.Errorf("%.40q needs the name of one, such as %q", text, kind+" token")
	case kind == "header" && strings.EqualFold(name, "Authorization"):
		return fmt.Errorf("%.40q: the place is called bearer", text)
	case kind == "header" && Untouchable(name):
		return fmt.Errorf("%.40q: this field belongs to the connection or the edge", text)
	}
	*p = Place{kind, name}
	return nil
}

// ErrTwice says that there is more than one credential: programs disagree which one counts.
var ErrTwice = errors.New("the request shows more than one credential")

// Find returns the credential at this place, "" when there is none. It may be a view of the
// request.
func (p Place) Find(r *filter.Request) (string, error) {
	switch p.kind {
	case "":
		return findBearer(r.Fields)
	case "header":
		return only(r.Fields.Values(p.name))
	case "cookie":
		return p.findCookie(r.Fields)
	}
	return p.findQuery(r.Query)
}

// Strip takes the credential away, so that the service does not see it.
func (p Place) Strip(r *filter.Request) {
	switch p.kind {
	case "":
		r.Fields.Del("Authorization")
	case "header":
		r.Fields.Del(p.name)
	case "cookie":
		p.stripCookie(r.Fields)
	case "query":
		r.Query = p.withoutParameter(r.Query)
	}
}

// Find looks at all places. The error is [ErrTwice] when two show something (RFC 6750, 2).
func Find(places []Place, r *filter.Request) (credential string, at Place, err error) {
	for _, p := range places {
		c, err := p.Find(r)
		if err != nil {
			return "", p, err
		}
		if c == "" {
			continue
		}
		if credential != "" {
			return "", at, ErrTwice
		}
		credential, at = c, p
	}
	return credential, at, nil
}

func only(values []string) (string, error) {
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", ErrTwice
}

// findBearer returns the token of an Authorization field of the scheme Bearer, whatever its
// case (RFC 9110, 11.1). Another scheme is somebody else's.
func findBearer(fields filter.Fields) (string, error) {
	value, err := only(fields.Values("Authorization"))
	const scheme = "Bearer "
	if err != nil || len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return "", err
	}
	return strings.TrimLeft(value[len(scheme):], " "), nil
}

func (p Place) findCookie(fields filter.Fields) (found string, err error) {
	for _, line := range fields.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			name, value, _ := strings.Cut(pair, "=")
			if strings.Trim(name, " \t") != p.name {
				continue
			}
			if found != "" {
				return "", ErrTwice
			}
			found = strings.Trim(value, " \t")
		}
	}
	return found, nil
}

func (p Place) stripCookie(fields filter.Fields) {
	lines := fields.Values("Cookie")
	var kept []string
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(pair, "=")
			if pair = strings.Trim(pair, " \t"); pair != "" && strings.Trim(name, " \t") != p.name {
				kept = append(kept, pair)
			}
		}
	}
	if len(kept) == 0 {
		fields.Del("Cookie")
		return
	}
	fields.Set("Cookie", strings.Join(kept, "; "))
}

func (p Place) findQuery(query string) (found string, err error) {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if !p.named(name) {
			continue
		}
		if found != "" {
			return "", ErrTwice
		}
		if found, err = url.QueryUnescape(value); err != nil {
			found = value // whatever it is, it is none that counts
		}
	}
	return found, nil
}

func (p Place) withoutParameter(query string) string {
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(pair, "="); !p.named(name) {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}

func (p Place) named(name string) bool {
	if strings.ContainsAny(name, "%+") {
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
	}
	return name == p.name
}
