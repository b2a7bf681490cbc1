package edge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// dial opens a connection, which ends with the test.
func dial(t *testing.T, in *entrance, path string, o websocket.DialOptions) *websocket.Conn {
	t.Helper()
	o.HTTPClient = in.client(t)
	c, _, err := websocket.Dial(t.Context(), in.url(path), &o)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(32 << 20)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// same sends a message and wants it back.
func same(t *testing.T, c *websocket.Conn, kind websocket.MessageType, data []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.Write(ctx, kind, data); err != nil {
		t.Error(err)
		return
	}
	got, back, err := c.Read(ctx)
	if err != nil || got != kind || !bytes.Equal(back, data) {
		t.Errorf("a message of %d bytes came back as %d of kind %v: %v", len(data), len(back), got, err)
	}
}

// ending reads until the end and returns how it was.
func ending(t *testing.T, c *websocket.Conn) (messages []string, end string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, data, err := c.Read(ctx)
		if err == nil {
			messages = append(messages, string(data))
			continue
		}
		if e, ok := errors.AsType[websocket.CloseError](err); ok {
			return messages, fmt.Sprintf("%d %s", e.Code, e.Reason)
		}
		if ctx.Err() != nil {
			t.Errorf("it does not end: %v", err)
		}
		return messages, "cut"
	}
}

// seenEnd asks the server how a connection ended.
func seenEnd(t *testing.T, in *entrance, id string) string {
	t.Helper()
	client := in.client(t)
	for began := time.Now(); time.Since(began) < 20*time.Second; {
		res, err := client.Get(in.url("/closed?id=" + id))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if len(text) > 0 {
			return string(text)
		}
		<-time.After(10 * time.Millisecond)
	}
	return "nothing"
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

// converse does what testdata/ws/client.js does, by coder/websocket.
func converse(t *testing.T, in *entrance) {
	t.Run("text and binary", func(t *testing.T) {
		c := dial(t, in, "/echo", websocket.DialOptions{})
		same(t, c, websocket.MessageText, []byte("hello"))
		same(t, c, websocket.MessageText, []byte("Grüße, 世界"))
		same(t, c, websocket.MessageText, nil)
		same(t, c, websocket.MessageBinary, noise(1000))
		if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
			t.Error(err)
		}
	})
	t.Run("1 MiB and 16 MiB", func(t *testing.T) {
		c := dial(t, in, "/echo", websocket.DialOptions{})
		same(t, c, websocket.MessageBinary, noise(1<<20))
		same(t, c, websocket.MessageBinary, noise(16<<20))
	})
	t.Run("fragments", func(t *testing.T) {
		c := dial(t, in, "/echo", websocket.DialOptions{})
		w, err := c.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			_, _ = io.WriteString(w, strings.Repeat("part ", 1000)) // each flushes
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, data, err := c.Read(t.Context()); err != nil || len(data) != 500_000 {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	})
	t.Run("ping and pong", func(t *testing.T) {
		c := dial(t, in, "/echo", websocket.DialOptions{})
		reading := c.CloseRead(t.Context())
		if err := c.Ping(reading); err != nil {
			t.Error(err)
		}
		asked := dial(t, in, "/ping", websocket.DialOptions{})
		if _, data, err := asked.Read(t.Context()); err != nil || string(data) != "ponged are you there" {
			t.Errorf("%q: %v", data, err)
		}
	})
	t.Run("close codes", func(t *testing.T) {
		for code, reason := range map[websocket.StatusCode]string{1000: "", 1001: "going", 3000: "mine", 4999: strings.Repeat("x", 123)} {
			id := fmt.Sprintf("g%d", code)
			c := dial(t, in, "/echo?id="+id, websocket.DialOptions{})
			_ = c.Close(code, reason)
			if got, want := seenEnd(t, in, id), fmt.Sprintf("%d %s", code, reason); got != want {
				t.Errorf("the server saw %q, not %q", got, want)
			}
		}
		for code, reason := range map[int]string{1000: "", 1001: "restart", 1008: "policy", 1011: "broken", 4000: strings.Repeat("x", 123)} {
			c := dial(t, in, fmt.Sprintf("/close?code=%d&reason=%s", code, url.QueryEscape(reason)), websocket.DialOptions{})
			if _, got := ending(t, c); got != fmt.Sprintf("%d %s", code, reason) {
				t.Errorf("the client saw %q, not %d %s", got, code, reason)
			}
		}
	})
	t.Run("permessage-deflate", func(t *testing.T) {
		c := dial(t, in, "/deflate", websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
		same(t, c, websocket.MessageText, []byte(strings.Repeat("again and again ", 10_000)))
		same(t, c, websocket.MessageBinary, noise(100_000))
	})
	t.Run("the server pushes", func(t *testing.T) {
		got, end := ending(t, dial(t, in, "/push", websocket.DialOptions{}))
		if len(got) != 1000 || got[999] != "message 999" || end != "1000 done" {
			t.Errorf("%d messages, the end %q", len(got), end)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 100 {
			c := dial(t, in, "/echo", websocket.DialOptions{})
			all.Go(func() {
				for n := range 20 {
					same(t, c, websocket.MessageText, fmt.Appendf(nil, "%d %d", i, n))
				}
			})
		}
		all.Wait()
	})
	t.Run("subprotocols and refusal", func(t *testing.T) {
		c := dial(t, in, "/protocol", websocket.DialOptions{Subprotocols: []string{"other", "chat"}})
		if _, data, err := c.Read(t.Context()); err != nil || string(data) != "chat" || c.Subprotocol() != "chat" {
			t.Errorf("%q, %q: %v", data, c.Subprotocol(), err)
		}
		_, res, err := websocket.Dial(t.Context(), in.url("/refuse"), &websocket.DialOptions{HTTPClient: in.client(t)})
		if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
			t.Fatalf("not refused: %v", err)
		}
		if body, _ := io.ReadAll(res.Body); string(body) != "not me" {
			t.Errorf("refused with %q", body)
		}
	})
	t.Run("an end dies", func(t *testing.T) {
		c := dial(t, in, "/echo?id=gone", websocket.DialOptions{})
		same(t, c, websocket.MessageText, []byte("here"))
		_ = c.CloseNow()
		if got := seenEnd(t, in, "gone"); !strings.HasPrefix(got, "1006") {
			t.Errorf("the server saw %q", got)
		}
		other := dial(t, in, "/die", websocket.DialOptions{})
		_ = other.Write(t.Context(), websocket.MessageText, []byte("now"))
		if _, end := ending(t, other); end != "cut" {
			t.Errorf("the client saw %q", end)
		}
	})
}
