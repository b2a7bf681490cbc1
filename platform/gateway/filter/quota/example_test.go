package quota_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/quota"
)

func ExampleMake() {
	f, err := quota.Make(context.Background(), filter.Env{Name: "plan", Log: slog.New(slog.DiscardHandler)}, json.RawMessage(`{"count": 1, "per": "month", "tell": true}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		r := &filter.Request{Client: netip.MustParseAddr("192.0.2.1"), Began: time.Date(2026, 11, 30, 23, 0, 0, 0, time.UTC), Fields: &filter.Header{}}
		fmt.Println(f.Request(context.Background(), r), r.Reply.Get("RateLimit"))
	}
	// Output:
	// <nil> "quota";r=0;t=3600
	// resource_exhausted: no more than 1 a month are taken by client; nothing was done "quota";r=0;t=3600
}
