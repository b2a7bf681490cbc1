package load_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/load"
)

// A run lasts as long as its plan, also when nobody comes: who breaks something meanwhile
// counts on it.
func TestRunLastsAsLongAsItsPlan(t *testing.T) {
	const length = 100 * time.Millisecond
	began := time.Now()
	r := run(t, plan("http://127.0.0.1:1", 1.0/3600, length), anyLag)
	if took := time.Since(began); took < length || r.Elapsed < length || r.Offered > 1 {
		t.Errorf("%d visitors in %s, and it says %s", r.Offered, took, r.Elapsed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began = time.Now()
	r, err := load.Run(ctx, plan("http://127.0.0.1:1", 1.0/3600, time.Hour), anyLag)
	if took := time.Since(began); err != nil || took > time.Minute || r.Elapsed < 0 {
		t.Errorf("ended by its context: %v after %s, and it says %s", err, took, r.Elapsed)
	}
}

// Who asked for more than a rate limit allows was turned away, as for want of room.
func TestARateLimitSheds(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
	r := run(t, plan(url, 50, 20*time.Millisecond), anyLag)
	if r.Failed != 1 || r.Shed != 1 || r.Steps[0].Shed != 1 {
		t.Errorf("%+v", r)
	}
}
