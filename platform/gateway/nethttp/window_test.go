package nethttp_test

import (
	"bytes"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/musterdev/muster/platform/gateway/nethttp"
)

// A client of HTTP/2 that opens no window is not waited for forever: neither while the handler
// writes, nor for what the server still holds when that has returned.
func TestNoWindow(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"more than is held": 1 << 20, "what is held": 100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			returned := make(chan error, 1)
			_, addr := start(t, nethttp.Config{StallTimeout: 100 * time.Millisecond}, func(w http.ResponseWriter, _ *http.Request) {
				_, err := w.Write(make([]byte, size))
				returned <- err
			})
			if frame := silentReader(t, addr); frame.ErrCode != http2.ErrCodeInternal {
				t.Errorf("the stream was reset with %s", frame.ErrCode)
			}
			if err := <-returned; (err != nil) != (size > 4096) {
				t.Errorf("the handler's write: %v", err)
			}
		})
	}
}

// silentReader asks by HTTP/2, opens no window for the answer, and waits for its stream's end.
func silentReader(t *testing.T, addr string) *http2.RSTStreamFrame {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		t.Fatal(err)
	}
	var head bytes.Buffer
	fields := hpack.NewEncoder(&head)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/"}} {
		_ = fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("the stream was not reset: %v", err)
		}
		switch frame := frame.(type) {
		case *http2.RSTStreamFrame:
			return frame
		case *http2.DataFrame:
			t.Fatalf("%d bytes came where there was no window", len(frame.Data()))
		}
	}
}
