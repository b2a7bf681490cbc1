package rabbitmq

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	for url, shown := range map[string]string{
		"amqp://127.0.0.1:5672":                    "127.0.0.1:5672",
		"amqps://u:secret@bus.example/live":        "bus.example",
		"amqp://u:secret@a:1/,amqp://u:secret@b:2": "a:1,b:2",
	} {
		if got, err := parseURL(url); err != nil || got.shown != shown || strings.Join(got.servers, ",") != url {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
	for _, url := range []string{"", "amqp://", "http://a:1", "amqp://u:secret@a:x", "amqp://a/v/w", "amqp://u:secret@a?x=1", "amqp://a,nats://u:secret@b"} {
		_, err := parseURL(url)
		if err == nil || !strings.Contains(err.Error(), "write amqp://USER:PASSWORD@HOST:PORT/VHOST") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestWhatAServerRefusesForGood(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]bool{
		amqp.AccessRefused: false, amqp.PreconditionFailed: false, amqp.NotAllowed: false, amqp.NotFound: true, amqp.ChannelError: true, amqp.InternalError: true,
	} {
		if got := passes(&amqp.Error{Code: code}); got != want {
			t.Errorf("%d: %v", code, got)
		}
	}
}

// TestAServerThatIsFull is one that says that it takes no messages, for it is short of
// memory or disk: who publishes waits for it, or for its own context.
func TestAServerThatIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{stopped: make(chan struct{})}
		l.block(false)
		l.block(false)
		if err := l.takes(t.Context()); err != nil {
			t.Error(err)
		}
		l.block(true)
		l.block(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.takes(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "short of memory or disk") {
			t.Error(err)
		}
		waited := make(chan error, 1)
		go func() { waited <- l.takes(t.Context()) }()
		synctest.Wait()
		l.block(false)
		if err := <-waited; err != nil {
			t.Error(err)
		}
	})
}
