package gen_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/musterdev/muster/platform/gen"
)

func ExampleRun() {
	dir, err := os.MkdirTemp("", "gen")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	const contract = `
syntax = "proto3";
package stock.v1;
option go_package = "example.com/shop/stock/v1;stockv1";

service Stock { rpc Count(Item) returns (Amount); }
message Item { string id = 1; }
message Amount { int64 left = 1; }
`
	if err := os.WriteFile(filepath.Join(dir, "stock.proto"), []byte(contract), 0o600); err != nil {
		panic(err)
	}
	if err := gen.Run(context.Background(), gen.Options{Dir: dir}); err != nil {
		fmt.Println(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, name := range names {
		fmt.Println(filepath.Base(name))
	}
	// Output:
	// stock.pb.go
	// stock_grpc.pb.go
}

func ExampleParsePlugin() {
	p, err := gen.ParsePlugin("connectrpc.com/connect/cmd/protoc-gen-connect-go@v1.21.1:paths=source_relative,simple")
	fmt.Println(p, p.Options, err)
	// Output: protoc-gen-connect-go@v1.21.1 paths=source_relative,simple <nil>
}
