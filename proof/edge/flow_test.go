package edge_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

const (
	flowStreams  = 8 // at once, on one connection
	flowMessages = 128
	flowSize     = 64 << 10 // of a message, in bytes
	flowAll      = flowStreams * flowMessages * flowSize
	// flowKept is the most that may be under way when nobody reads: net/http takes 4 MiB ahead of
	// each stream of an instance and 1 MiB of a client's connection; the rest is the ends' own.
	flowKept = flowStreams*4<<20 + 16<<20
)

// TestSlowStreams has streams of gRPC stand still because one end does not read, with more to
// come than may be kept: who sends must be made to wait, the memory of the edge stays bounded,
// others are served meanwhile, and in the end all has come.
func TestSlowStreams(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the memory of a process is read from /proc")
	}
	for name, c := range map[string]struct {
		run func(ctx context.Context, c testgrpc.TestServiceClient, f *flow) (int, error)
		// blocks: what the service does not read takes the window of the client's whole
		// connection, so that other calls on it wait too. Those on others must not.
		blocks bool
	}{
		"the service does not read": {upload, true},
		"the client does not read":  {download, false},
		"an echo is not read":       {talks, false},
	} {
		for _, way := range ways() {
			t.Run(name+"/"+way, func(t *testing.T) {
				f := &flow{read: make(chan struct{})}
				e := start(t, map[string][]string{"slow": {f.serve(t)}}, object{"routes": []object{
					{"path": "/grpc.testing.TestService/", "service": "slow", "grpc": true},
				}})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				same, other := e.by(way).grpc(t), e.by(way).grpc(t)
				for _, c := range []testgrpc.TestServiceClient{same, other} {
					if _, err := c.EmptyCall(ctx, &testgrpc.Empty{}); err != nil {
						t.Fatal(err)
					}
				}
				before := e.memory(t)
				var all sync.WaitGroup
				for range flowStreams {
					all.Go(func() {
						if n, err := c.run(ctx, same, f); err != nil || n != flowMessages*flowSize {
							t.Errorf("%d bytes of %d came: %v", n, flowMessages*flowSize, err)
						}
					})
				}
				f.stand(t)
				sent, grown := f.sent.Load(), e.memory(t)-before
				t.Logf("%d MiB of %d are under way, the edge has grown by %d MiB", sent>>20, flowAll>>20, grown>>20)
				if sent > flowKept {
					t.Errorf("%d MiB were sent to nobody who reads", sent>>20)
				}
				if grown > flowKept && !raced() {
					t.Errorf("the edge has grown by %d MiB", grown>>20)
				}
				if _, err := other.EmptyCall(ctx, &testgrpc.Empty{}); err != nil {
					t.Errorf("another connection has to wait: %v", err)
				}
				if !c.blocks {
					if _, err := same.EmptyCall(ctx, &testgrpc.Empty{}); err != nil {
						t.Errorf("another call has to wait: %v", err)
					}
				}
				close(f.read)
				all.Wait()
			})
		}
	}
}

// raced reports whether this is the race detector's, which has memory of its own.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// grpc returns a client with a connection of its own, and windows that do not grow.
func (in *entrance) grpc(t *testing.T) testgrpc.TestServiceClient {
	t.Helper()
	secure := insecure.NewCredentials()
	if in.ca != "" {
		secure = credentials.NewClientTLSFromCert(in.trusted, "")
	}
	c, err := grpc.NewClient("passthrough:///"+in.addr, grpc.WithTransportCredentials(secure),
		grpc.WithStaticStreamWindowSize(flowSize), grpc.WithStaticConnWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return testgrpc.NewTestServiceClient(c)
}

// flow is a service whose end that should read does so when it is told to.
type flow struct {
	testgrpc.UnimplementedTestServiceServer

	read chan struct{} // closed: now
	sent atomic.Int64  // bytes, by the other end
}

// serve runs the service until the test's end and returns its address.
func (f *flow) serve(t *testing.T) string {
	t.Helper()
	return serveGRPC(t, f, grpc.StaticStreamWindowSize(flowSize), grpc.StaticConnWindowSize(1<<20))
}

// stand waits until nothing was sent for 300 ms.
func (f *flow) stand(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for last, same := int64(0), 0; same < 15; {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it does not stand still")
		}
		if now := f.sent.Load(); now == last && now > 0 {
			same++
		} else {
			last, same = now, 0
		}
	}
}

// EmptyCall implements testgrpc.TestServiceServer.
func (*flow) EmptyCall(context.Context, *testgrpc.Empty) (*testgrpc.Empty, error) {
	return &testgrpc.Empty{}, nil
}

// StreamingInputCall implements testgrpc.TestServiceServer.
func (f *flow) StreamingInputCall(s grpc.ClientStreamingServer[testgrpc.StreamingInputCallRequest, testgrpc.StreamingInputCallResponse]) error {
	<-f.read
	n, err := sum(s.Recv)
	if err != nil {
		return err
	}
	return s.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: int32(n)})
}

// StreamingOutputCall implements testgrpc.TestServiceServer.
func (f *flow) StreamingOutputCall(_ *testgrpc.StreamingOutputCallRequest, s grpc.ServerStreamingServer[testgrpc.StreamingOutputCallResponse]) error {
	return send(f, func(p *testgrpc.Payload) error { return s.Send(&testgrpc.StreamingOutputCallResponse{Payload: p}) })
}

// FullDuplexCall implements testgrpc.TestServiceServer: it is an echo.
func (*flow) FullDuplexCall(s grpc.BidiStreamingServer[testgrpc.StreamingOutputCallRequest, testgrpc.StreamingOutputCallResponse]) error {
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&testgrpc.StreamingOutputCallResponse{Payload: m.GetPayload()}); err != nil {
			return err
		}
	}
}

// send sends all of a stream.
func send(f *flow, one func(*testgrpc.Payload) error) error {
	p := &testgrpc.Payload{Body: noise(flowSize)}
	for range flowMessages {
		if err := one(p); err != nil {
			return err
		}
		f.sent.Add(flowSize)
	}
	return nil
}

// sum reads a stream to its end and counts its bytes.
func sum[M interface{ GetPayload() *testgrpc.Payload }](recv func() (M, error)) (int, error) {
	for n := 0; ; {
		m, err := recv()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n += len(m.GetPayload().GetBody())
	}
}

func upload(ctx context.Context, c testgrpc.TestServiceClient, f *flow) (int, error) {
	s, err := c.StreamingInputCall(ctx)
	if err != nil {
		return 0, err
	}
	if err := send(f, func(p *testgrpc.Payload) error { return s.Send(&testgrpc.StreamingInputCallRequest{Payload: p}) }); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	got, err := s.CloseAndRecv() // which tells why, when sending has ended before its time
	return int(got.GetAggregatedPayloadSize()), err
}

func download(ctx context.Context, c testgrpc.TestServiceClient, f *flow) (int, error) {
	s, err := c.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
	if err != nil {
		return 0, err
	}
	<-f.read
	return sum(s.Recv)
}

func talks(ctx context.Context, c testgrpc.TestServiceClient, f *flow) (int, error) {
	s, err := c.FullDuplexCall(ctx)
	if err != nil {
		return 0, err
	}
	sent := make(chan error, 1)
	go func() {
		err := send(f, func(p *testgrpc.Payload) error { return s.Send(&testgrpc.StreamingOutputCallRequest{Payload: p}) })
		sent <- errors.Join(err, s.CloseSend())
	}()
	<-f.read
	n, err := sum(s.Recv)
	return n, errors.Join(err, <-sent)
}
