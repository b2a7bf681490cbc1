// Package apikey lets in requests with a key that its owner was given. The edge knows only
// hashes of keys; a file with more of them counts as soon as it is written.
//
//	{"kind": "apikey", "with": {"file": "/etc/shop/keys.json"}}
package apikey

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"maps"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/credential"
	"github.com/musterdev/muster/platform/gateway/filter/follow"
	"github.com/musterdev/muster/platform/gateway/filter/require"
	"github.com/musterdev/muster/problem"
)

// Config is what the filter is told. Keys and File may both be given; one of them must be.
type Config struct {
	Keys []Key  `json:"keys,omitempty"`
	File string `json:"file,omitempty"` // a [Document]; followed

	// From are the places where a key may stand; none: header X-API-Key.
	From []credential.Place `json:"from,omitempty"`
	// Forward lets the service see the key too; else it is taken away.
	Forward bool `json:"forward,omitempty"`
	// Optional lets requests without a key pass, unnamed. One that is not known is refused.
	Optional bool `json:"optional,omitempty"`

	require.Rules // what the owner must have, else 403

	// Tell names fields, and the claims that the service finds there: owner, key, or one of
	// Key.Claims.
	Tell map[string]string `json:"tell,omitempty"`
}

// Filter judges keys. It is safe for concurrent use.
type Filter struct {
	cfg    Config
	name   string
	places []credential.Place
	keys   atomic.Pointer[table]
	file   *follow.File
}

var (
	_ filter.Owner      = (*Filter)(nil)
	_ filter.Closer     = (*Filter)(nil)
	_ filter.Introducer = (*Filter)(nil)
)

// maxFile bounds a file of keys, in bytes; maxKey a key.
const (
	maxFile = 64 << 20
	maxKey  = 1024
)

// Make is the [filter.Maker] of the kind "apikey".
func Make(_ context.Context, env filter.Env, with json.RawMessage) (filter.Filter, error) {
	var cfg Config
	if err := filter.Decode(with, &cfg); err != nil {
		return nil, err
	}
	return New(env, cfg)
}

// New returns a filter, which the caller closes. The error is a *problem.Error, InvalidArgument.
func New(env filter.Env, cfg Config) (*Filter, error) {
	f := &Filter{cfg: cfg, name: env.Name, places: cfg.From}
	if len(f.places) == 0 {
		f.places = []credential.Place{credential.Header("X-API-Key")}
	}
	var m filter.Mistakes
	cfg.Check(&m)
	for _, name := range slices.Sorted(maps.Keys(cfg.Tell)) {
		if !credential.Tellable(name) {
			m.Add("tell", "%q is no field that a filter may set", name)
		}
	}
	if len(cfg.Keys) == 0 && cfg.File == "" {
		m.Add("file", "is missing: where are the keys? They are in a file or in keys")
	}
	if err := f.set(nil); err != nil {
		m.Add("keys", "%v", err)
	}
	if m.Err() == nil && cfg.File != "" {
		var err error
		if f.file, err = follow.Open(cfg.File, maxFile, env.Log, f.load); err != nil {
			m.Add("file", "%v", err)
		}
	}
	return f, m.Err()
}

func (f *Filter) load(content []byte) error {
	keys, err := parse(content)
	if err != nil {
		return err
	}
	return f.set(keys)
}

// set takes the keys of a file into use, beside those that were given.
func (f *Filter) set(more []Key) error {
	var m mistakes
	t := f.cfg.compile(slices.Concat(f.cfg.Keys, more), &m)
	if err := m.err(); err != nil {
		return err
	}
	f.keys.Store(&t)
	return nil
}

// Close ends the following of the file.
func (f *Filter) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// Owns implements [filter.Owner].
func (f *Filter) Owns() []string { return slices.Sorted(maps.Keys(f.cfg.Tell)) }

// Request implements [filter.Filter].
func (f *Filter) Request(_ context.Context, r *filter.Request) error {
	key, place, err := credential.Find(f.places, r)
	switch {
	case err != nil:
		return problem.Wrap(err, problem.InvalidArgument, "%v: exactly one key is taken", err)
	case key == "" && f.cfg.Optional:
		return nil
	case key == "":
		return f.refuse(r, place, "a key is needed, in %s", f.places[0])
	case len(key) > maxKey:
		return f.refuse(r, place, "the key is not known")
	}
	e := f.find(key)
	now := r.Began
	if now.IsZero() {
		now = time.Now()
	}
	switch {
	case e == nil:
		return f.refuse(r, place, "the key is not known")
	case e.disabled:
		return f.refuse(r, place, "the key is disabled")
	case !e.expires.IsZero() && !now.Before(e.expires):
		return f.refuse(r, place, "the key has expired")
	case e.lacking != nil:
		return e.lacking
	}
	if !f.cfg.Forward {
		place.Strip(r)
	}
	r.IdentifyAs(e.subject, e.told)
	return nil
}

// find looks a key up by its hash: how long that takes tells of the hash, which tells nothing
// of the key.
func (f *Filter) find(key string) *entry {
	hash := sha256.Sum256(unsafe.Slice(unsafe.StringData(key), len(key))) //nolint:gosec // only read, and for no longer than the call
	e := (*f.keys.Load())[hash]
	if e == nil || subtle.ConstantTimeCompare(e.hash[:], hash[:]) != 1 {
		return nil
	}
	return e
}

// refuse says that a key is needed that counts. There is no scheme for keys in fields of their
// own, so that the challenge is the one that others use.
func (f *Filter) refuse(r *filter.Request, at credential.Place, format string, args ...any) error {
	scheme := "ApiKey"
	if at.IsBearer() && slices.ContainsFunc(f.places, credential.Place.IsBearer) {
		scheme = "Bearer"
	}
	r.Reply.Set("WWW-Authenticate", credential.Challenge{Scheme: scheme, Realm: f.name}.String())
	return problem.New(problem.Unauthenticated, format, args...)
}

// Introduces implements [filter.Introducer].
func (f *Filter) Introduces() bool { return true }
