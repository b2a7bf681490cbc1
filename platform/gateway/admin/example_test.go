package admin_test

import (
	"fmt"
	"os"

	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/l4"
)

func ExampleWritePorts() {
	err := admin.WritePorts(os.Stdout, []admin.Port{
		{Listen: "127.0.0.1:5433", Routes: l4.Routes{Default: l4.Target{Service: "db"}}, Open: 2, Accepted: 9, Ends: map[string]int64{"ended": 7}},
		{
			Listen: "127.0.0.1:8443", Accepted: 3, Ends: map[string]int64{"no_route": 1, "idle": 1, "ended": 1},
			Routes: l4.Routes{Default: l4.Target{Service: "web"}, Names: map[string]l4.Target{"a.example": {Service: "api", Endpoint: "grpc"}}},
		},
		{Listen: "127.0.0.1:9000", Closed: true, Open: 1, Accepted: 1},
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// CONNECTIONS AT  TO                      OPEN  ACCEPTED  ENDED BADLY
	// 127.0.0.1:5433  db                      2     9         -
	// 127.0.0.1:8443  web a.example=api.grpc  0     3         1 idle, 1 no_route
	// 127.0.0.1:9000  (closed)                1     1         -
}
