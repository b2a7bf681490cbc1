package overload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/musterdev/muster/platform/load"
)

// visitor asks the edge, each time by another token.
type visitor struct {
	url    string
	tokens []string
	http   *http.Client
	next   atomic.Uint64
	unsaid atomic.Int64 // refusals without Retry-After
}

func client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 5000, IdleConnTimeout: time.Minute, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// errRefused is an answer of 503.
var errRefused = errors.New("refused")

// ask returns the status to count a request under.
func (v *visitor) ask(ctx context.Context, path string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+path, http.NoBody)
	if err != nil {
		return "error", err
	}
	if len(v.tokens) > 0 {
		r.Header.Set("Authorization", "Bearer "+v.tokens[v.next.Add(1)%uint64(len(v.tokens))])
	}
	r.Header.Set(deadline())
	res, err := v.http.Do(r)
	switch {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout", err
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused", err
	default:
		return "broken", err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return "broken", err
	}
	switch res.StatusCode {
	case http.StatusOK:
		return "200", nil
	case http.StatusServiceUnavailable:
		if res.Header.Get("Retry-After") == "" {
			v.unsaid.Add(1)
		}
		return load.Shed, errRefused
	default:
		return fmt.Sprint(res.StatusCode), fmt.Errorf("the edge answers %s", res.Status)
	}
}

// capacity returns how many requests a second the edge can do: what it does for a few
// callers who each ask again when they have their answer.
func (v *visitor) capacity(ctx context.Context, measuring time.Duration) (float64, error) {
	const warm = time.Second
	began := time.Now()
	var done atomic.Int64
	errs := make([]error, callers)
	var asking sync.WaitGroup
	for n := range errs {
		asking.Go(func() {
			for errs[n] == nil && ctx.Err() == nil && time.Since(began) < warm+measuring {
				_, errs[n] = v.ask(ctx, "/critical")
				if time.Since(began) > warm && time.Since(began) < warm+measuring {
					done.Add(1)
				}
			}
		})
	}
	asking.Wait()
	if err := errors.Join(errors.Join(errs...), ctx.Err()); err != nil {
		return 0, fmt.Errorf("measure what the edge can do: %w", err)
	}
	return float64(done.Load()) / measuring.Seconds(), nil
}
