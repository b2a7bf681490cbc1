// Package auth is the one seam through which a service's calls get their tokens
// and its listeners judge them. Tokens, scopes and API keys come with a later
// chapter; until then [Open] attaches nothing and admits everybody.
package auth

import "context"

// Source gives the token a call carries. It is safe for concurrent use.
type Source interface {
	// Token returns the bearer token for calls to service; "" means none.
	Token(ctx context.Context, service string) (string, error)
}

// Guard judges the token of an incoming call. It is safe for concurrent use.
type Guard interface {
	// Admit returns the context the call goes on with, or an error made by
	// package problem (unauthenticated or permission_denied). bearer is "" when
	// the call carried none.
	Admit(ctx context.Context, bearer string) (context.Context, error)
}

// Open is the Source and Guard of a fleet without identities.
type Open struct{}

// Token returns no token.
func (Open) Token(context.Context, string) (string, error) { return "", nil }

// Admit lets every call pass.
func (Open) Admit(ctx context.Context, _ string) (context.Context, error) { return ctx, nil }
