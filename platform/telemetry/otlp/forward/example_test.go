package forward_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"time"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/otlp/encode"
	"github.com/musterdev/muster/platform/telemetry/otlp/forward"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

func ExampleForwarder() {
	far := httptest.NewServer((&otlp.Receiver{Sink: func(_ context.Context, b signal.Batch) error {
		fmt.Println("arrived:", b.Logs[0].Body)
		return nil
	}}).Handler())
	defer far.Close()
	dir, err := os.MkdirTemp("", "export")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	f, err := forward.New(forward.Config{Endpoint: far.URL, Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- f.Run(ctx) }()

	receiver := &otlp.Receiver{Forward: f.Push} // pushes what it takes; here by hand:
	receiver.Forward(otlp.Logs, encode.Logs("shop", "shop-1", []signal.Log{{Body: "hello"}}))
	for f.Health().Waiting > 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	fmt.Println(<-ended, f.Close())
	// Output:
	// arrived: hello
	// <nil> <nil>
}
