package card

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Webhook is what the processor posts to its merchant.
type Webhook struct {
	Key       string `json:"key"` // of the call that it is about
	Reference string `json:"reference"`
	Result
}

const (
	queued   = 256                    // webhooks that wait; more are dropped
	posters  = 4                      // that go out at a time
	attempts = 5                      // at each
	pause    = 200 * time.Millisecond // before the second; it doubles
	patience = 2 * time.Second        // for an answer
)

// webhooks posts results to the merchant, on the side, and gives up after a while, as
// such services do: who needs to know asks again. What waits is not kept over a restart.
type webhooks struct {
	client *http.Client
	url    string
	log    *slog.Logger
	queue  chan Webhook
	wait   func(ctx context.Context, d time.Duration)
}

func newWebhooks(client *http.Client, url string, log *slog.Logger) *webhooks {
	return &webhooks{client: client, url: url, log: log, queue: make(chan Webhook, queued), wait: wait}
}

// tell queues a webhook and never blocks.
func (w *webhooks) tell(r request, res Result) {
	select {
	case w.queue <- Webhook{Key: r.Key, Reference: r.Reference, Result: res}:
	default:
		w.log.Warn("a webhook was dropped: too many wait", "key", r.Key, "waiting", queued)
	}
}

// run posts what is queued until ctx ends.
func (w *webhooks) run(ctx context.Context) error {
	var posting sync.WaitGroup
	for range posters {
		posting.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case hook := <-w.queue:
					w.deliver(ctx, hook)
				}
			}
		})
	}
	posting.Wait()
	return nil
}

func (w *webhooks) deliver(ctx context.Context, hook Webhook) {
	for n := range attempts {
		if n > 0 {
			w.wait(ctx, pause<<(n-1))
		}
		again, err := w.post(ctx, hook)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case !again || n == attempts-1:
			w.log.WarnContext(ctx, "a webhook was given up", "key", hook.Key, "attempts", n+1, "error", err)
			return
		}
	}
}

// post makes one attempt; again tells whether another may do better.
func (w *webhooks) post(ctx context.Context, hook Webhook) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, _ := json.Marshal(hook) //nolint:errchkjson // texts and a number
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := w.client.Do(req)
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10) // so that the connection is used again
	if res.StatusCode < 300 {
		return false, nil
	}
	passing := []int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}
	return res.StatusCode >= 500 || slices.Contains(passing, res.StatusCode), fmt.Errorf("%s answered %s", w.url, res.Status)
}
