package size_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/size"
)

func ExampleMake() {
	f, err := size.Make(context.Background(), filter.Env{}, json.RawMessage(`{"body": "1MiB"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Request(context.Background(), &filter.Request{Length: 2 << 20}))
	// Output: too_large: the body has 2097152 bytes, and at most 1048576 are taken here
}
