package tx

import (
	"context"
	"sync"
)

// hooks are what is to be done after the commit of one transaction.
type hooks struct {
	mu   sync.Mutex
	list []func()
}

type hooksKey struct{}

// AfterCommit has fn called once the transaction that ctx belongs to has been
// committed by Do, and never when it was not. fn runs on the goroutine of Do and must
// not block. It returns false, and fn is never called, when ctx is not that of a
// function run by Do: whoever needs to know must then look from time to time.
//
// It is for waking what reads the rows just written. A wake-up inside the transaction
// would come before there is anything to see, and in PostgreSQL a transactional NOTIFY
// makes all commits of the server queue.
func AfterCommit(ctx context.Context, fn func()) bool {
	h, ok := ctx.Value(hooksKey{}).(*hooks)
	if !ok {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, fn)
	return true
}

func (h *hooks) run() {
	h.mu.Lock()
	list := h.list
	h.list = nil
	h.mu.Unlock()
	for _, fn := range list {
		fn()
	}
}
