package limit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/limit"
)

// Two at once, and then one each second.
func ExampleMake() {
	f, err := limit.Make(context.Background(), filter.Env{Name: "fair", Log: slog.New(slog.DiscardHandler)}, json.RawMessage(`{"rate": "1/s burst 2", "by": "client"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	began := time.Unix(1_700_000_000, 0)
	for range 3 {
		r := &filter.Request{Client: netip.MustParseAddr("192.0.2.1"), Began: began, Fields: &filter.Header{}}
		fmt.Println(f.Request(context.Background(), r))
	}
	// Output:
	// <nil>
	// <nil>
	// resource_exhausted: no more than 1/s burst 2 are taken by client; nothing was done
}
