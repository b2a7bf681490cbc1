package admission_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
)

// In an existing net/http program.
func ExampleController_Handler() {
	door, err := admission.New(admission.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /price", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "12.90, asked with priority %s", resilience.PriorityOf(r.Context()))
	})
	server := &http.Server{Handler: door.Handler(mux)}

	r := httptest.NewRequest(http.MethodGet, "/price", http.NoBody)
	r.Header.Set(resilience.PriorityHeader, "high")
	w := httptest.NewRecorder()
	server.Handler.ServeHTTP(w, r)
	fmt.Println(w.Body)
	fmt.Println("admitted with priority high:", door.Stats().Admitted[resilience.High])
	// Output:
	// 12.90, asked with priority high
	// admitted with priority high: 1
}

// In an existing grpc-go program.
func ExampleController_Unary() {
	door, err := admission.New(admission.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(door.Unary()),
		grpc.ChainStreamInterceptor(door.Stream()),
	)
	defer server.Stop()
	fmt.Println("limit:", door.Stats().Limit)
	// Output: limit: 1000
}

// For work that comes neither by HTTP nor by gRPC.
func ExampleController_Admit() {
	door, err := admission.New(admission.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	slot, err := door.Admit(context.Background(), resilience.Low)
	if err != nil {
		fmt.Println(err) // *admission.Shed: later, or not at all
		return
	}
	defer slot.End(admission.Done)
	fmt.Println("in flight:", door.Stats().InFlight)
	// Output: in flight: 1
}
