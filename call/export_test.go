package call

import (
	"context"
	"net/http"
	"sync"
)

// AfterPick is a Transport that calls fn before its first attempt's request goes
// out, when the instance is chosen already.
func AfterPick(c *Caller, service string, fn func()) http.RoundTripper {
	c.cfg.Tokens = &hook{fn: fn}
	return c.Transport(service)
}

type hook struct {
	once sync.Once
	fn   func()
}

func (h *hook) Token(context.Context, string) (string, error) {
	h.once.Do(h.fn)
	return "", nil
}
