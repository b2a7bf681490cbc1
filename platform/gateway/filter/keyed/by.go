// Package keyed counts by who asks: [By] says by what requests are told apart, and a
// [Table] keeps something for each that was seen, in bounded memory. Limits and quotas
// are made of both.
package keyed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

// By says by what requests are told apart. As JSON it is one text, or a list of texts that
// count together, such as ["subject", "route"]:
//
//	client       the client's address; of IPv6 its network, /64
//	subject      who asks, as a filter before found out, with the issuer who answers for it
//	key          the owner of the API key
//	header NAME  the first value of a field
//	claim NAME   what the issuer says of the subject
//	route        the route; host and method likewise
//	all          nothing: all requests count together
//
// A request without a subject, key, header or claim counts by its client's address. The
// zero value is client.
type By struct{ parts []part }

type part struct {
	kind kind
	name string // of a header or claim
}

type kind byte

const (
	client kind = iota + 1
	subject
	key
	header
	claim
	route
	host
	method
	all
)

func kinds() map[string]kind {
	return map[string]kind{
		"client": client, "subject": subject, "key": key, "header": header, "claim": claim,
		"route": route, "host": host, "method": method, "all": all,
	}
}

// maxParts bounds a list.
const maxParts = 4

// UnmarshalJSON reads a text or a list of texts.
func (b *By) UnmarshalJSON(data []byte) error {
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		var one string
		if json.Unmarshal(data, &one) != nil {
			return errors.New(`by must be a text such as "client" or "header X-Tenant", or a list of such`)
		}
		list = []string{one}
	}
	if len(list) == 0 || len(list) > maxParts {
		return fmt.Errorf("by must be one to %d texts, not %d", maxParts, len(list))
	}
	read := By{}
	for _, text := range list {
		p, err := parsePart(text)
		if err != nil {
			return err
		}
		if slices.Contains(read.parts, p) {
			return fmt.Errorf("by names %q twice", text)
		}
		read.parts = append(read.parts, p)
	}
	*b = read
	return nil
}

func parsePart(text string) (part, error) {
	word, name, _ := strings.Cut(text, " ")
	k, known := kinds()[word]
	named := k == header || k == claim
	switch {
	case !known:
		words := []string{"client", "subject", "key", "header NAME", "claim NAME", "route", "host", "method", "all"}
		if near := problem.Nearest(word, words); near != "" {
			return part{}, fmt.Errorf("by %.40q is not known: did you mean %q?", text, near)
		}
		return part{}, fmt.Errorf("by %.40q is not known: there are %s", text, strings.Join(words, ", "))
	case named && (!filter.ValidName(name) && k == header || name == ""):
		return part{}, fmt.Errorf("by %.40q needs the name of one, such as %q", text, word+" X-Tenant")
	case !named && name != "":
		return part{}, fmt.Errorf("by %.40q: nothing follows %s", text, word)
	}
	return part{k, name}, nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (b By) MarshalJSON() ([]byte, error) {
	texts := b.texts()
	if len(texts) == 1 {
		return json.Marshal(texts[0])
	}
	return json.Marshal(texts)
}

// String names what requests are told apart by, for people.
func (b By) String() string { return strings.Join(b.texts(), " and ") }

func (b By) texts() (texts []string) {
	for _, p := range b.orDefault() {
		for word, k := range kinds() {
			if k == p.kind {
				texts = append(texts, strings.TrimSpace(word+" "+p.name))
			}
		}
	}
	return texts
}

func (b By) orDefault() []part {
	if len(b.parts) == 0 {
		return []part{{kind: client}}
	}
	return b.parts
}

// Size is how long a key is at most, so that a buffer of so many bytes is never too small.
const Size = 192

// Append appends the key of a request to buf, at most [Size] bytes: equal for requests that
// count together, and never for others. It does not allocate when buf has room.
func (b By) Append(buf []byte, r *filter.Request) []byte {
	begin := len(buf)
	if len(b.parts) == 0 {
		return appendClient(buf, r)
	}
	for _, p := range b.parts {
		var text string
		switch p.kind {
		case subject:
			if r.Subject.ID != "" && r.Subject.Issuer != "" {
				buf = appendText(buf, 'i', r.Subject.Issuer)
			}
			text = r.Subject.ID
		case key:
			if r.Subject.By == "key" {
				text = r.Subject.ID
			}
		case header:
			text = r.Fields.Get(p.name)
		case claim:
			if r.Subject.Claims != nil {
				text = r.Subject.Claims.Claim(p.name)
			}
		case route:
			text = r.Route
		case host:
			text = r.Host
		case method:
			text = r.Method
		case all:
			continue
		}
		if text == "" {
			buf = appendClient(buf, r)
			continue
		}
		buf = appendText(buf, byte('A'+p.kind), text)
	}
	if len(buf)-begin > Size {
		sum := sha256.Sum256(buf[begin:])
		return append(append(buf[:begin], '#'), sum[:]...)
	}
	return buf
}

// appendText appends a text with its length, so that two texts are never read as others.
func appendText(buf []byte, tag byte, text string) []byte {
	buf = append(buf, tag)
	buf = binary.AppendUvarint(buf, uint64(len(text)))
	return append(buf, text...)
}

// appendClient appends the client's network.
func appendClient(buf []byte, r *filter.Request) []byte {
	a := r.Client.Unmap()
	if a.Is4() {
		b := a.As4()
		return append(append(buf, '4'), b[:]...)
	}
	b := a.As16()
	return append(append(buf, '6'), b[:8]...)
}
