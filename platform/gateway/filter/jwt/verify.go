package jwt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/jwt/keys"
	"github.com/musterdev/muster/problem"
)

// verdict is what a token turned out to be worth. It does not change, but for spared.
type verdict struct {
	subject filter.Subject
	told    filter.Header // the fields that tell the service
	key     *keys.Key     // whose signature it has
	lacking error         // why it is not enough here, nil when it is: a *problem.Error
	ends    time.Time

	bound            []byte // see [claims.bound]
	id, sub, session string // jti, sub, sid
	issued           time.Time
	spared           atomic.Uint64 // number of the list of revocations that it was last held against
}

// maxToken bounds a token, in bytes.
const maxToken = 16 << 10

// shaped reports whether a text has the form of a signed token (RFC 7515, 7.1): what is
// decoded has been looked at letter by letter, since decoders overlook line ends.
func shaped(token string) bool {
	if len(token) > maxToken {
		return false
	}
	dots, part := 0, 0
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			part++
		case c == '.' && part > 0:
			dots, part = dots+1, 0
		default:
			return false
		}
	}
	return dots == 2 && part > 0
}

// invalid is a token that does not hold: 401.
func invalid(format string, args ...any) error {
	return problem.New(problem.Unauthenticated, "the token does not hold: %s", fmt.Sprintf(format, args...))
}

// verify finds out what a token is worth. The error is a *problem.Error: Unauthenticated when
// it does not hold, Unavailable when that cannot be known.
func (f *Filter) verify(ctx context.Context, token string, now time.Time) (*verdict, error) {
	if !shaped(token) {
		return nil, invalid("it has not the form of a signed token")
	}
	signed, err := jose.ParseSignedCompact(token, f.algorithms)
	if err != nil {
		if _, ok := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); ok {
			return nil, invalid("its algorithm is not taken")
		}
		return nil, invalid("its header cannot be read")
	}
	said, err := parseClaims(signed.UnsafePayloadWithoutVerification())
	if err != nil {
		return nil, invalid("what it says cannot be read: %v", err)
	}
	name, err := said.str("iss")
	if err != nil {
		return nil, invalid("%v", err)
	}
	issuer := f.issuers[name]
	if issuer == nil {
		return nil, invalid("its issuer is not known here")
	}
	header := signed.Signatures[0].Protected
	if err := issuer.takes(header); err != nil {
		return nil, err
	}
	ends, err := f.inForce(issuer, said, now)
	if err != nil {
		return nil, err
	}
	key, err := issuer.signer(ctx, signed, header)
	if err != nil {
		return nil, err
	}
	return f.judge(issuer, said, key, ends)
}

// takes judges a token's header. Only its algorithm and its key's id count: where it says to
// get a key (jku, jwk, x5u, x5c) is for nobody to follow.
func (i *issuer) takes(header jose.Header) error {
	if !slices.Contains(i.algorithms(), header.Algorithm) {
		return invalid("its algorithm is not taken")
	}
	for _, name := range []jose.HeaderKey{"crit", "b64", "zip", "cty"} {
		if _, there := header.ExtraHeaders[name]; there {
			return invalid("its header has %s, which is not understood here", name)
		}
	}
	typ, there := header.ExtraHeaders[jose.HeaderType]
	text, ok := typ.(string)
	if there && !ok {
		return invalid("its typ is no text")
	}
	const media = "application/" // RFC 7515, 4.1.9: may be left out
	if len(text) > len(media) && strings.EqualFold(text[:len(media)], media) {
		text = text[len(media):]
	}
	if len(i.Types) == 0 {
		if !there || strings.EqualFold(text, "JWT") || strings.EqualFold(text, "at+jwt") {
			return nil
		}
	} else if slices.ContainsFunc(i.Types, func(t string) bool { return strings.EqualFold(t, text) }) {
		return nil
	}
	return invalid("it is a token of another kind")
}

// inForce judges when a token counts, and for whom; it returns when that ends.
func (f *Filter) inForce(i *issuer, said *claims, now time.Time) (time.Time, error) {
	exp, found, err := said.date("exp")
	switch {
	case err != nil:
		return exp, invalid("%v", err)
	case !found:
		return exp, invalid("it has no exp: it would count for ever")
	case !now.Before(exp.Add(f.leeway)):
		return exp, invalid("it has expired")
	}
	for _, name := range []string{"nbf", "iat"} {
		from, found, err := said.date(name)
		switch {
		case err != nil:
			return exp, invalid("%v", err)
		case found && now.Add(f.leeway).Before(from):
			return exp, invalid("it does not count yet: its %s is later than now", name)
		}
	}
	audience, err := said.audience()
	if err != nil {
		return exp, invalid("%v", err)
	}
	if !i.AnyAudience && !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(i.Audience, a) }) {
		return exp, invalid("it is meant for others: its aud has none of those that are taken here")
	}
	return exp.Add(f.leeway), nil
}

// signer returns the key whose signature a token has.
func (i *issuer) signer(ctx context.Context, signed *jose.JSONWebSignature, header jose.Header) (*keys.Key, error) {
	for again := false; ; again = true {
		found, err := i.keeper.Find(ctx, header.KeyID, header.Algorithm)
		switch {
		case errors.Is(err, keys.ErrAway):
			return nil, problem.Wrap(err, problem.Unavailable, "tokens cannot be looked at now: the keys of their issuer are not there").WithRetryAfter(time.Second)
		case err != nil:
			return nil, invalid("its issuer has no such key")
		}
		nameless := header.KeyID == ""
		for _, k := range found {
			if k.Verify(signed) == nil {
				return k, nil
			}
			nameless = nameless || k.ID == ""
		}
		if again || !nameless || !i.keeper.Renew(ctx) {
			return nil, invalid("its signature is not that of its issuer")
		}
	}
}

// judge makes the verdict on a token that holds.
func (f *Filter) judge(i *issuer, said *claims, key *keys.Key, ends time.Time) (*verdict, error) {
	v := &verdict{key: key, ends: ends}
	for name, into := range map[string]*string{"jti": &v.id, "sub": &v.sub, "sid": &v.session} {
		s, err := said.str(name)
		if err != nil {
			return nil, invalid("%v", err)
		}
		*into = s
	}
	v.issued, _, _ = said.date("iat") // it was read before
	var err error
	if v.bound, err = said.bound(); err != nil {
		return nil, err
	}
	id := v.sub
	if i.Subject != "" {
		id = said.Claim(i.Subject)
	}
	if id == "" || !readable(id) {
		return nil, invalid("it does not name its subject so that a service can be told")
	}
	v.subject = filter.Subject{ID: id, By: "jwt", Issuer: i.Name, Scopes: said.scopes(), Claims: said}
	teller := filter.Request{Fields: &v.told}
	teller.Identify(v.subject)
	for _, field := range slices.Sorted(maps.Keys(f.cfg.Tell)) {
		if text := said.told(f.cfg.Tell[field]); text != "" {
			v.told.Add(field, text)
		}
	}
	v.lacking = f.cfg.Judge(&v.subject)
	return v, nil
}
