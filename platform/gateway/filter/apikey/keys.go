package apikey

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/require"
)

// Key is what is known of a key; the key itself is not.
type Key struct {
	// Hash is the SHA-256 of the key, as 64 hexadecimal digits. Keys must be random, 128 bits
	// at least: a hash that is quick to make protects no key that can be guessed.
	Hash     string    `json:"sha256"`
	Owner    string    `json:"owner"`          // the subject
	Name     string    `json:"name,omitempty"` // which of the owner's keys; the claim "key"
	Scopes   []string  `json:"scopes,omitempty"`
	Expires  time.Time `json:"expires,omitzero"` // the key counts no more from then on; zero: it stays
	Disabled bool      `json:"disabled,omitempty"`
	// Claims are further facts on the owner, such as a plan, for other filters and Tell.
	Claims map[string]string `json:"claims,omitempty"`
}

// maxKeys bounds the keys of a filter.
const maxKeys = 200_000

// entry is a key as it is looked up.
type entry struct {
	hash     [sha256.Size]byte
	subject  filter.Subject
	told     filter.Header
	expires  time.Time
	disabled bool
	lacking  error // why it is not enough here; nil: it is
}

// said is what is known of a key's owner.
type said map[string]string

// Claim implements filter.Claims.
func (s said) Claim(name string) string { return s[name] }

// Document is the content of a file of keys.
type Document struct {
	Keys []Key `json:"keys"`
}

func parse(content []byte) ([]Key, error) {
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	var doc Document
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("no list of keys: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("no list of keys: something follows it")
	}
	if doc.Keys == nil {
		return nil, errors.New(`no list of keys: "keys" is missing; an empty one is []`)
	}
	return doc.Keys, nil
}

// table is the keys by their hashes. It does not change.
type table map[[sha256.Size]byte]*entry

// compile notes mistakes by the index of the key.
func (c *Config) compile(keys []Key, m *mistakes) table {
	if len(keys) > maxKeys {
		m.add(maxKeys, "must be at most %d keys", maxKeys)
		return nil
	}
	t := make(table, len(keys))
	for i := range keys {
		k := &keys[i]
		hash, err := hex.DecodeString(k.Hash)
		e := &entry{expires: k.Expires, disabled: k.Disabled}
		switch {
		case err != nil || len(hash) != sha256.Size:
			m.add(i, "sha256 must be 64 hexadecimal digits, as printed by: printf %%s \"$KEY\" | sha256sum")
			continue
		case k.Owner == "" || !filter.ValidValue(k.Owner):
			m.add(i, "owner must be a text without control characters or space around it")
			continue
		}
		copy(e.hash[:], hash)
		if t[e.hash] != nil {
			m.add(i, "this key is there twice")
			continue
		}
		for _, s := range k.Scopes {
			if !require.Scope(s) {
				m.add(i, "scopes: %q is no scope", s)
			}
		}
		claims := said{"owner": k.Owner, "key": k.Name}
		maps.Copy(claims, k.Claims)
		e.subject = filter.Subject{ID: k.Owner, By: "key", Scopes: k.Scopes, Claims: claims}
		teller := filter.Request{Fields: &e.told}
		teller.Identify(e.subject)
		for field, claim := range c.Tell {
			if v := claims.Claim(claim); v != "" && filter.ValidValue(v) {
				e.told.Add(field, v)
			}
		}
		e.lacking = c.Judge(&e.subject)
		t[e.hash] = e
	}
	return t
}

// mistakes gathers what is wrong with keys, the first few of it.
type mistakes struct {
	found []string
	more  int
}

func (m *mistakes) add(i int, format string, args ...any) {
	if len(m.found) == 10 {
		m.more++
		return
	}
	m.found = append(m.found, fmt.Sprintf("keys[%d]: ", i)+fmt.Sprintf(format, args...))
}

func (m *mistakes) err() error {
	switch {
	case len(m.found) == 0:
		return nil
	case m.more > 0:
		return fmt.Errorf("%s; and %d more", strings.Join(m.found, "; "), m.more)
	}
	return errors.New(strings.Join(m.found, "; "))
}
