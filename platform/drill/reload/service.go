package reload

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/call/admission"
)

// Name is the service's, and Argument what the program is given to run it.
const (
	Name     = "echo"
	Argument = "reload"
)

// Paths of the service at the edge.
const (
	loadPath   = "/load"   // answers a POST by its body
	socketPath = "/socket" // a WebSocket that sends back what it gets
	eventsPath = "/events" // numbers events from 1, one each second
	chatPath   = "/muster.drill.Echo/Chat"
)

// beat is how often each stream says something. One of which nothing is heard for patience
// counts as closed.
const (
	beat     = time.Second
	patience = 20 * time.Second
)

// Serve runs an instance of the service until ctx ends.
func Serve(ctx context.Context, log io.Writer, opts ...muster.Option) error {
	service := muster.Service{Name: Name, Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("POST "+loadPath, http.HandlerFunc(echo))
		app.Handle(socketPath, http.HandlerFunc(socket))
		app.Handle(eventsPath, http.HandlerFunc(events))
		app.GRPC().RegisterService(&grpc.ServiceDesc{
			ServiceName: "muster.drill.Echo", HandlerType: (*any)(nil),
			Streams: []grpc.StreamDesc{{StreamName: "Chat", Handler: chat, ClientStreams: true, ServerStreams: true}},
		}, nil)
		return app.Serve(ctx)
	}}
	// thousands of streams are what is wanted here
	return muster.Run(ctx, []muster.Service{service}, append(opts, muster.LogTo(log), muster.Admission(admission.Config{Off: true}))...)
}

func echo(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(w, r.Body) // a client that is gone needs no answer
}

func socket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer func() { _ = c.CloseNow() }()
	for {
		kind, message, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for n := 1; ; n++ {
		if _, err := fmt.Fprintf(w, "data: %d\n\n", n); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

func chat(_ any, stream grpc.ServerStream) error {
	for {
		var m wrapperspb.Int64Value
		if err := stream.RecvMsg(&m); err != nil {
			return nil //nolint:nilerr // the client is done
		}
		if err := stream.SendMsg(&m); err != nil {
			return err
		}
	}
}
