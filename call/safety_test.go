package call_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// A service may have any number of instances.
func TestManyInstances(t *testing.T) {
	in, _ := server(t, "a", nil)
	var list []discovery.Instance
	for i := range 33 {
		x := in
		x.ID = fmt.Sprintf("a%d", i)
		list = append(list, x)
	}
	c, _ := newCaller(t, call.Config{}, list...)
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("a call panicked: %v", p)
		}
	}()
	if _, err := get(t, c.Client("stock"), "http://stock/"); err != nil {
		t.Error(err)
	}
}

// A deadline further away than the header may say is cut, not refused.
func TestFarDeadline(t *testing.T) {
	s := httptest.NewServer(call.ReceiveDeadline(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {})))
	defer s.Close()
	c, _ := newCaller(t, call.Config{}, instance("a", s.Listener.Addr().String()))
	ctx, cancel := context.WithTimeout(t.Context(), 48*time.Hour)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://stock/", nil)
	res, err := c.Client("stock").Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}

// net/http sends requests with certain headers again by itself; not those that are unsafe here.
func TestUnsafeIsNotSentAgainByTheTransport(t *testing.T) {
	for name, header := range map[string]http.Header{
		"X-Idempotency-Key":     {"X-Idempotency-Key": {"k"}},
		"empty Idempotency-Key": {"Idempotency-Key": {""}},
		"none (control)":        {},
	} {
		t.Run(name, func(t *testing.T) {
			var posts atomic.Int64
			in, _ := server(t, "a", func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if r.Method == "POST" && posts.Add(1) == 1 {
					cut(w, r)
				}
			})
			c, _ := newCaller(t, call.Config{}, in)
			if _, err := get(t, c.Client("stock"), "http://stock/"); err != nil { // warm connection
				t.Fatal(err)
			}
			r, _ := http.NewRequestWithContext(t.Context(), "POST", "http://stock/", bytes.NewReader([]byte("pay")))
			maps.Copy(r.Header, header)
			if call.Idempotent(r.Method, r.Header.Get("Idempotency-Key")) {
				t.Fatal("counts as idempotent")
			}
			res, err := c.Client("stock").Do(r)
			if err == nil {
				_ = res.Body.Close()
			}
			if posts.Load() != 1 {
				t.Errorf("the handler ran %d times for one unsafe request (%v)", posts.Load(), err)
			}
		})
	}
}

// An empty key makes nothing repeatable.
func TestGRPCEmptyKeyIsNoKey(t *testing.T) {
	a, ha, kill := grpcServer(t, "a")
	b, hb, _ := grpcServer(t, "b")
	c, view := newCaller(t, call.Config{}, a)
	ha.check = func(context.Context) error {
		view.Set([]discovery.Instance{b})
		kill()
		return nil
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), call.IdempotencyKey, "")
	err := check(ctx, c)
	if ha.hits.Load()+hb.hits.Load() != 1 {
		t.Errorf("an unsafe call ran at %d + %d (%v)", ha.hits.Load(), hb.hits.Load(), err)
	}
}

// refuser refuses the first stream of each connection unseen, and answers the second.
func refuser(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var seen atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				br := bufio.NewReader(conn)
				_, _ = io.ReadFull(br, make([]byte, len(http2.ClientPreface)))
				f := http2.NewFramer(conn, br)
				_ = f.WriteSettings()
				refused := uint32(0)
				for {
					fr, err := f.ReadFrame()
					if err != nil {
						return
					}
					switch fr := fr.(type) {
					case *http2.SettingsFrame:
						if !fr.IsAck() {
							_ = f.WriteSettingsAck()
						}
					case *http2.PingFrame:
						if !fr.IsAck() {
							_ = f.WritePing(true, fr.Data)
						}
					case *http2.HeadersFrame:
						if seen.Add(1) == 1 {
							refused = fr.StreamID
							_ = f.WriteRSTStream(fr.StreamID, http2.ErrCodeRefusedStream)
						}
					case *http2.DataFrame: // an answer before the whole request would end what sends it
						if fr.StreamID == refused || !fr.StreamEnded() {
							continue
						}
						var b bytes.Buffer
						e := hpack.NewEncoder(&b)
						_ = e.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
						_ = e.WriteField(hpack.HeaderField{Name: "content-type", Value: "application/grpc"})
						_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: fr.StreamID, BlockFragment: b.Bytes(), EndHeaders: true})
						_ = f.WriteData(fr.StreamID, false, []byte{0, 0, 0, 0, 0})
						b.Reset()
						_ = e.WriteField(hpack.HeaderField{Name: "grpc-status", Value: "0"})
						_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: fr.StreamID, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: true})
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// grpc-go begins a stream again that the server refused unseen (ADR 4).
func TestGRPCUnseenStreamIsBegunAgain(t *testing.T) {
	recv := func(cc grpc.ClientConnInterface) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		s, err := grpc_health_v1.NewHealthClient(cc).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err == nil {
			_, err = s.Recv()
		}
		return err
	}
	plain, err := grpc.NewClient(refuser(t), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableServiceConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := recv(plain); err != nil {
		t.Errorf("plain grpc-go (control): %v", err)
	}
	c, _ := newCaller(t, call.Config{}, instance("a", refuser(t)))
	if err := check(t.Context(), c); err != nil {
		t.Errorf("unary (control): %v", err)
	}
	c2, _ := newCaller(t, call.Config{}, instance("a", refuser(t)))
	if err := recv(c2.Dial("stock")); err != nil {
		t.Errorf("stream by call: %v", err)
	}
}

// An upgraded connection is in flight until it is closed, also when the instance has ended its direction.
func TestHalfClosedUpgradeIsInFlight(t *testing.T) {
	got := make(chan string, 1)
	in, _ := server(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_ = conn.(*net.TCPConn).CloseWrite()
		b, _ := io.ReadAll(rw)
		got <- string(b)
	})
	c, _ := newCaller(t, call.Config{}, in)
	r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://stock/", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "x")
	res, err := c.Transport("stock").RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(res.Body)
	n := c.InFlight("a")
	_, err = res.Body.(io.Writer).Write([]byte("still sending"))
	_ = res.Body.Close()
	if s := <-got; n != 1 {
		t.Errorf("in flight %d while the instance still gets %q (%v)", n, s, err)
	}
}

// A panic in an attempt leaves no instance loaded.
func TestPanicGivesTheTicketBack(t *testing.T) {
	in, _ := server(t, "a", nil)
	c, _ := newCaller(t, call.Config{}, in)
	func() {
		defer func() { _ = recover() }()
		r, _ := http.NewRequestWithContext(t.Context(), "PUT", "http://stock/", bytes.NewReader([]byte("x")))
		r.GetBody = func() (io.ReadCloser, error) { panic("boom") }
		res, err := c.Client("stock").Do(r)
		if err == nil {
			_ = res.Body.Close()
		}
	}()
	if n := c.InFlight("a"); n != 0 {
		t.Errorf("in flight %d for ever", n)
	}
}

// A request that net/http refuses is the caller's fault, no instance's.
func TestCallersFaultIsNotRepeated(t *testing.T) {
	in, hits := server(t, "a", nil)
	c, _ := newCaller(t, call.Config{}, in)
	r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://stock/", nil)
	r.Header["X-Bad"] = []string{"a\nb"}
	began := time.Now()
	res, err := c.Client("stock").Do(r)
	if err == nil {
		_ = res.Body.Close()
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("%v after %s, %d hits", err, took, hits.Load())
	}
}

type tokenless struct{}

func (tokenless) Token(context.Context, string) (string, error) { return "", errors.New("no") }

type closing struct {
	io.Reader
	closed *atomic.Int64
}

func (c closing) Close() error { c.closed.Add(1); return nil }

// Without a token no body is left open.
func TestBodyIsClosedWithoutAToken(t *testing.T) {
	in, _ := server(t, "a", nil)
	c, _ := newCaller(t, call.Config{Tokens: tokenless{}}, in)
	var opened, closed atomic.Int64
	r, _ := http.NewRequestWithContext(t.Context(), "PUT", "http://stock/", bytes.NewReader([]byte("x")))
	r.GetBody = func() (io.ReadCloser, error) {
		opened.Add(1)
		return closing{bytes.NewReader([]byte("x")), &closed}, nil
	}
	if res, err := c.Client("stock").Do(r); err == nil {
		_ = res.Body.Close()
	}
	if opened.Load() != closed.Load() {
		t.Errorf("%d opened, %d closed", opened.Load(), closed.Load())
	}
}

// An instance that refuses connections is asked again with growing pauses; probes ask too.
func TestUnreachableIsNotSpunOn(t *testing.T) {
	var dials atomic.Int64
	c, _ := newCaller(t, call.Config{Wait: time.Second, Settings: resilience.Settings{Retry: resilience.Retry{Attempts: 1}}, Dial: func(context.Context, string) (net.Conn, error) {
		dials.Add(1)
		return nil, errors.New("no")
	}}, dead(t, "a"))
	_, err := get(t, c.Client("stock"), "http://stock/")
	if n := dials.Load(); n < 2 || n > 16 || problem.CodeOf(err) != problem.Unavailable {
		t.Errorf("%d attempts in a second, %v", n, err)
	}
}

// What a failed call means can be branched on: was anything sent?
func TestCodesOfFailedCalls(t *testing.T) {
	broken, _ := server(t, "a", cut)
	for name, test := range map[string]struct {
		in   discovery.Instance
		want problem.Code
	}{"not there": {dead(t, "a"), problem.Unavailable}, "broke off": {broken, problem.Unknown}} {
		c, _ := newCaller(t, call.Config{Wait: -1}, test.in)
		if _, err := c.Client("stock").Post("http://stock/", "text/plain", http.NoBody); problem.CodeOf(err) != test.want {
			t.Errorf("%s: code %s of %v, want %s", name, problem.CodeOf(err), err, test.want)
		}
	}
}

// A redirect within the service is followed, one to another host is not.
func TestRedirects(t *testing.T) {
	in, _ := server(t, "a", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/in":
			http.Redirect(w, r, "/there", http.StatusFound)
		case "/out":
			http.Redirect(w, r, "http://evil.example/there", http.StatusFound)
		default:
			_, _ = io.WriteString(w, r.URL.Path)
		}
	})
	c, _ := newCaller(t, call.Config{}, in)
	if got, err := get(t, c.Client("stock"), "http://stock/in"); err != nil || got != "/there" {
		t.Errorf("within: %q, %v", got, err)
	}
	res, err := c.Client("stock").Get("http://stock/out")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusFound {
		t.Errorf("to another host: %s, want the redirect itself", res.Status)
	}
}
