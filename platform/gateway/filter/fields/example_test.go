package fields_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/fields"
)

func ExampleMake() {
	f, err := fields.Make(context.Background(), filter.Env{}, json.RawMessage(`{"request": {"set": {"X-Seen": "{client} as {subject}"}, "remove": ["X-Internal-*"]}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	r := &filter.Request{
		Client: netip.MustParseAddr("192.0.2.1"), Subject: filter.Subject{ID: "alice"},
		Fields: &filter.Header{{Name: "X-Internal-Role", Value: "admin"}},
	}
	fmt.Println(f.Request(context.Background(), r), r.Fields)
	// Output: <nil> &[{X-Seen 192.0.2.1 as alice}]
}
