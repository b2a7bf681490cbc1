package discovery

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/problem"
)

const (
	nearWithin = 500 * time.Millisecond // how long Near waits for the registry
	namesFor   = 10 * time.Second       // how long the names it heard, or that it heard none, are good for
)

// Nearer is a Resolver that knows which services there are.
type Nearer interface {
	Resolver
	// Near returns the services of which name may be a misspelling, for a message such as
	// `did you mean "cart"?`: at most three, and none when there is such a service or
	// when it is not known. It is for an error that is on its way anyway.
	Near(name string) []string
}

var _ Nearer = (*Client)(nil)

// names are the services the registry knew when it was last asked.
type names struct {
	mu    sync.Mutex // held while asking: who wants the names meanwhile wants this answer
	list  []string
	until time.Time
}

// Near implements Nearer. It asks the registry at most once in ten seconds, however often
// it is called, and waits for it half a second at most: the one thing here that waits.
func (c *Client) Near(name string) []string {
	c.names.mu.Lock()
	defer c.names.mu.Unlock()
	if now := time.Now(); !now.Before(c.names.until) {
		ctx, cancel := context.WithTimeout(c.ctx, nearWithin)
		defer cancel()
		list, err := c.remote.names(ctx)
		if err != nil {
			list = nil // the names of before would be a guess, and this is for the message of an error
		}
		c.names.list, c.names.until = list, time.Now().Add(namesFor)
	}
	if slices.Contains(c.names.list, name) {
		return nil
	}
	return problem.Near(name, c.names.list)
}
