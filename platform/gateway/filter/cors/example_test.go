package cors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/cors"
)

func ExampleMake() {
	f, err := cors.Make(context.Background(), filter.Env{}, json.RawMessage(`{"origins": ["https://*.shop.example"]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, origin := range []string{"https://app.shop.example", "https://shop.example.evil.example"} {
		err := f.Request(context.Background(), &filter.Request{Method: "OPTIONS", Fields: &filter.Header{
			{Name: "Origin", Value: origin}, {Name: "Access-Control-Request-Method", Value: "PUT"},
		}})
		if answer, ok := errors.AsType[*filter.Answer](err); ok {
			fmt.Println(answer.Status, answer.Header.Get("Access-Control-Allow-Origin"))
		} else {
			fmt.Println(err)
		}
	}
	// Output:
	// 204 https://app.shop.example
	// permission_denied: pages of the origin "https://shop.example.evil.example" may not call this
}
