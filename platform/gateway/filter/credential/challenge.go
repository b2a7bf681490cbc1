package credential

import "strings"

// Challenge is the value of a WWW-Authenticate field (RFC 6750, 3).
type Challenge struct {
	Scheme      string // "Bearer"
	Realm       string // "" none
	Code        string // "invalid_request", "invalid_token", "insufficient_scope"; "" when nothing was shown
	Description string // for people; goes with a code
	Scope       string // what is needed, separated by spaces
}

// String writes the challenge. What a quoted text cannot hold is left out.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString(c.Scheme)
	between := " "
	for _, p := range [...]struct{ name, value string }{
		{"realm", c.Realm}, {"error", c.Code}, {"error_description", c.Description}, {"scope", c.Scope},
	} {
		if p.value == "" {
			continue
		}
		b.WriteString(between + p.name + `="`)
		for i := range len(p.value) {
			if v := p.value[i]; v >= ' ' && v < 0x7f && v != '"' && v != '\\' {
				b.WriteByte(v)
			}
		}
		b.WriteByte('"')
		between = ", "
	}
	return b.String()
}
