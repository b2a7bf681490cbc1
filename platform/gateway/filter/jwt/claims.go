package jwt

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json" // refuses members that are there twice, and tells case

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/require"
)

// claims is what a token says (RFC 7519, 4). It does not change.
type claims struct{ all map[string]any }

var (
	_ filter.Claims  = (*claims)(nil)
	_ require.Lister = (*claims)(nil)
)

func parseClaims(payload []byte) (*claims, error) {
	if !utf8.Valid(payload) {
		return nil, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.SetNumberType(json.UnmarshalJSONNumber) // an id of 20 digits stays what it is
	var c claims
	if err := d.Decode(&c.all); err != nil || c.all == nil {
		return nil, errors.New("it is no JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return &c, nil
}

// find returns a claim: that of the name, or the one its dots lead to.
func (c *claims) find(name string) any {
	if v, ok := c.all[name]; ok {
		return v
	}
	object := c.all
	for {
		first, rest, more := strings.Cut(name, ".")
		v := object[first]
		if !more {
			return v
		}
		next, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		object, name = next, rest
	}
}

// Claim implements [filter.Claims].
func (c *claims) Claim(name string) string {
	text, _ := text(c.find(name))
	return text
}

// Values implements [require.Lister].
func (c *claims) Values(name string) []string {
	v := c.find(name)
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var values []string
	for _, v := range list {
		if s, ok := text(v); ok {
			values = append(values, s)
		}
	}
	return values
}

func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// str returns a claim that must be a text where it is there.
func (c *claims) str(name string) (string, error) {
	v, ok := c.all[name]
	if !ok {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", errors.New(name + " is no text")
	}
	return s, nil
}

// lastDate is the end of the year 9999: what is later is no date.
const lastDate = 253402300799

// date returns a claim that must be a NumericDate (RFC 7519, 2) where it is there.
func (c *claims) date(name string) (at time.Time, found bool, err error) {
	v, ok := c.all[name]
	if !ok {
		return at, false, nil
	}
	n, ok := v.(json.Number)
	if !ok {
		return at, false, errors.New(name + " is no number")
	}
	seconds, err := n.Float64()
	if err != nil || math.Abs(seconds) > lastDate {
		return at, false, errors.New(name + " is no date")
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)), true, nil
}

// audience returns whom the token is meant for: one, or several.
func (c *claims) audience() ([]string, error) {
	switch v := c.all["aud"].(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		var all []string
		for _, one := range v {
			s, ok := one.(string)
			if !ok {
				return nil, errors.New("aud is no list of texts")
			}
			all = append(all, s)
		}
		return all, nil
	}
	return nil, errors.New("aud is no text")
}

// scopes returns what the token allows: scope (RFC 9068, 2.2.3), or scp, as Azure and Okta have it.
func (c *claims) scopes() (scopes []string) {
	for _, name := range []string{"scope", "scp"} {
		var list []string
		switch v := c.all[name].(type) {
		case string:
			list = strings.Fields(v)
		case []any:
			for _, one := range v {
				if s, ok := one.(string); ok {
					list = append(list, s)
				}
			}
		}
		for _, s := range list {
			if require.Scope(s) && !slices.Contains(scopes, s) {
				scopes = append(scopes, s)
			}
		}
	}
	return scopes
}

// told returns what a field says of a claim: the values of a list with commas between them.
// What a field cannot say is left out, for a service would read something else.
func (c *claims) told(name string) string {
	var said []string
	list, several := c.find(name).([]any)
	for _, v := range c.Values(name) {
		if v != "" && readable(v) && !(several && strings.Contains(v, ",")) {
			said = append(said, v)
		}
	}
	if several && len(list) > maxTold {
		return ""
	}
	return strings.Join(said, ",")
}

// maxTold bounds the values of a list that a field tells.
const maxTold = 100

// readable reports whether a text stands in a field as it is, and stands for nothing else: what
// was no character in the token is U+FFFD here, whatever it was.
func readable(s string) bool {
	return len(s) <= maxText && filter.ValidValue(s) && !strings.ContainsRune(s, utf8.RuneError)
}

// maxText bounds what of a token goes into a field, in bytes.
const maxText = 1024
