// Package jwt lets in requests with a token that holds: a JSON Web Token (RFC 7519) signed by
// an issuer that the edge was told of. What a token was found to be worth is remembered by its
// SHA-256 for as long as it holds, so that signatures are verified once and not for each
// request.
//
//	{"kind": "jwt", "with": {"issuer": "https://login.example", "audience": ["shop"]}}
package jwt

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/go-jose/go-jose/v4"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/credential"
	"github.com/musterdev/muster/platform/gateway/filter/follow"
	"github.com/musterdev/muster/platform/gateway/filter/jwt/keys"
	"github.com/musterdev/muster/platform/gateway/filter/memo"
	"github.com/musterdev/muster/problem"
)

// Filter judges tokens. It is safe for concurrent use.
type Filter struct {
	cfg        Config
	name       string
	places     []credential.Place
	leeway     time.Duration
	algorithms []jose.SignatureAlgorithm
	issuers    map[string]*issuer

	good    *memo.Memo[*verdict]
	bad     *memo.Memo[error] // what does not hold; it takes no room from what does
	changes atomic.Uint64     // of keys
	denied  denied
	counts  counts
	files   []*follow.File
}

// issuer is one whose tokens count.
type issuer struct {
	Issuer

	keeper *keys.Keeper
}

var (
	_ filter.Owner      = (*Filter)(nil)
	_ filter.Closer     = (*Filter)(nil)
	_ filter.Introducer = (*Filter)(nil)
)

const (
	maxBad = 8192            // tokens that do not hold are remembered
	badFor = 5 * time.Second // so long
)

// Make is the [filter.Maker] of the kind "jwt". With Check nobody is asked: where keys are
// not in files, such a filter lets nobody in.
func Make(ctx context.Context, env filter.Env, with json.RawMessage) (filter.Filter, error) {
	cfg, err := read(with)
	if err != nil {
		return nil, err
	}
	return New(ctx, env, cfg)
}

// New returns a filter, which the caller closes. The error is a *problem.Error, InvalidArgument.
func New(ctx context.Context, env filter.Env, cfg Config) (*Filter, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	tokens := cfg.Tokens
	if tokens == 0 {
		tokens = defaultTokens
	}
	f := &Filter{
		cfg: cfg, name: env.Name, places: cfg.From, leeway: cfg.Leeway.Or(defaultLeeway), algorithms: known(), issuers: map[string]*issuer{},
		good: memo.New[*verdict](tokens, int64(tokens)*tokenRoom), bad: memo.New[error](maxBad, 0),
	}
	if len(f.places) == 0 {
		f.places = []credential.Place{credential.Bearer()}
	}
	var err error
	if f.counts, err = newCounts(env.Metrics, f.good.Len); err != nil {
		return nil, problem.Wrap(err, problem.InvalidArgument, "the filter's metrics cannot be kept: %v", err)
	}
	var m filter.Mistakes
	for n, i := range cfg.all() {
		if err := f.keep(ctx, env, i); err != nil {
			m.Add(cfg.at(n)+i.source(), "%v", err)
		}
	}
	if cfg.Denied != "" {
		file, err := follow.Open(cfg.Denied, maxDenied, env.Log, f.denied.setFile)
		if err != nil {
			m.Add("denied", "%v", err)
		} else {
			f.files = append(f.files, file)
		}
	}
	if err := m.Err(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// tokenRoom is what a remembered token may take on average, in bytes.
const tokenRoom = 2048

// changed is called after an issuer's keys changed: what did not hold may hold now. What held
// by a key that went is found by [keys.Key.Gone].
func (f *Filter) changed() {
	f.changes.Add(1)
	f.bad.Clear()
}

// Close ends the fetching and following.
func (f *Filter) Close() error {
	for _, i := range f.issuers {
		i.keeper.Close()
	}
	for _, file := range f.files {
		_ = file.Close()
	}
	return nil
}

// Owns implements [filter.Owner].
func (f *Filter) Owns() []string {
	names := make([]string, 0, len(f.cfg.Tell))
	for name := range f.cfg.Tell {
		names = append(names, name)
	}
	return names
}

// Revoke makes tokens count no more, those among them that were let in before. It lasts as
// long as the filter; the file that Config.Denied names lasts longer.
func (f *Filter) Revoke(r Revocation) error {
	if err := f.denied.add(r); err != nil {
		return problem.New(problem.InvalidArgument, "%v", err)
	}
	return nil
}

// Request implements [filter.Filter]. A token that is remembered costs its SHA-256 and the
// fields that are set.
func (f *Filter) Request(ctx context.Context, r *filter.Request) error {
	token, place, err := credential.Find(f.places, r)
	switch {
	case err != nil:
		return f.refuse(r, problem.Wrap(err, problem.InvalidArgument, "%v: exactly one token is taken", err))
	case token == "" && f.cfg.Optional:
		return nil
	case token == "":
		return f.refuse(r, problem.New(problem.Unauthenticated, missing))
	}
	now := r.Began
	if now.IsZero() {
		now = time.Now()
	}
	key := sha256.Sum256(unsafe.Slice(unsafe.StringData(token), len(token))) //nolint:gosec // only read, and for no longer than the call
	v, found := f.good.Get(&key, now)
	if !found || v.key.Gone() {
		if v, err = f.look(ctx, token, key, now); err != nil {
			return f.refuse(r, err)
		}
	}
	if f.denied.denies(v) {
		return f.refuse(r, invalid("it was revoked"))
	}
	if !v.brought(r) {
		return f.refuse(r, invalid("it is bound to a certificate that the client does not have"))
	}
	if v.lacking != nil {
		return f.refuse(r, v.lacking)
	}
	if !f.cfg.Forward {
		place.Strip(r)
	}
	r.IdentifyAs(v.subject, v.told)
	return nil
}

// look finds out what a token is worth that is not remembered as one that holds.
func (f *Filter) look(ctx context.Context, token string, key memo.Key, now time.Time) (*verdict, error) {
	if err, found := f.bad.Get(&key, now); found {
		return nil, err
	}
	token = strings.Clone(token)
	return f.good.Do(ctx, key, func(ctx context.Context) (*verdict, error) {
		if v, found := f.good.Get(&key, now); found && !v.key.Gone() {
			return v, nil // another was quicker
		}
		if err, found := f.bad.Get(&key, now); found {
			return nil, err
		}
		changes := f.changes.Load()
		v, err := f.verify(ctx, token, now)
		f.counts.looked(err)
		switch {
		case err == nil:
			f.good.Put(&key, v, int64(len(token))*2+600, now, v.ends)
		case problem.CodeOf(err) == problem.Unauthenticated && changes == f.changes.Load():
			f.bad.Put(&key, err, 0, now, now.Add(badFor))
		}
		return v, err
	})
}

// missing is what is said to a request without a token.
const missing = "a token is needed"

// refuse answers with a challenge (RFC 6750, 3). The code names what is wrong with what was
// shown; nothing is said when nothing was.
func (f *Filter) refuse(r *filter.Request, err error) error {
	e := problem.From(err)
	c := credential.Challenge{Scheme: "Bearer", Realm: f.name, Description: e.Message}
	switch e.Code {
	case problem.InvalidArgument:
		c.Code = "invalid_request"
	case problem.PermissionDenied:
		c.Code, c.Scope = "insufficient_scope", f.cfg.Needs()
	case problem.Unauthenticated:
		if c.Code = "invalid_token"; e.Message == missing {
			c.Code, c.Description = "", ""
		}
	default:
		return err
	}
	r.Reply.Set("WWW-Authenticate", c.String())
	return err
}

// Introduces implements [filter.Introducer].
func (f *Filter) Introduces() bool { return true }
