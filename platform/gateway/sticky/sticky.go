// Package sticky names instances to clients that are to come back to them, without telling
// which they are.
package sticky

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/route"
)

// Len is the length of a token: 96 bits in base64.
const Len = 16

// maxTokens bounds how many tokens are remembered; instances come and go.
const maxTokens = 10_000

// Tokens stand for instances in cookies. The zero value is ready; it is safe for concurrent use.
type Tokens struct {
	known sync.Map // by id
	count atomic.Int64
}

// Of returns the token of an instance. It does not tell which one to who does not know the
// id, and is the same at every edge.
func (k *Tokens) Of(id string) string {
	if known, ok := k.known.Load(id); ok {
		t, _ := known.(string) // nothing else is in it
		return t
	}
	sum := sha256.Sum256([]byte("muster instance " + id))
	t := base64.RawURLEncoding.EncodeToString(sum[:12])
	if k.count.Add(1) > maxTokens {
		k.known.Clear()
		k.count.Store(1)
	}
	k.known.Store(strings.Clone(id), t)
	return t
}

// Find returns the instance that a token stands for, and its version where the target has
// versions; "" when it is not among them or gets no requests of the target any more.
func (k *Tokens) Find(token string, instances []discovery.Instance, t *route.Target) (id, version string) {
	if len(token) != Len {
		return "", ""
	}
	for _, in := range instances {
		if k.Of(in.ID) != token {
			continue
		}
		if len(t.Versions) == 0 {
			return in.ID, ""
		}
		for _, s := range t.Versions {
			if s.Version == in.Version && s.Weight > 0 {
				return in.ID, in.Version
			}
		}
	}
	return "", ""
}
