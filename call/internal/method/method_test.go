package method_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	_ "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/musterdev/muster/call/internal/method"
)

var runs atomic.Int64 // of the test: what is registered stays

func TestWhatAMethodDeclares(t *testing.T) {
	pkg := "methodtest" + strconv.FormatInt(runs.Add(1), 10)
	declared := func(name string, level descriptorpb.MethodOptions_IdempotencyLevel) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{
			Name: &name, InputType: new("." + pkg + ".M"), OutputType: new("." + pkg + ".M"),
			Options: &descriptorpb.MethodOptions{IdempotencyLevel: &level},
		}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new(pkg + ".proto"), Package: &pkg, Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("M")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("S"), Method: []*descriptorpb.MethodDescriptorProto{
			declared("Get", descriptorpb.MethodOptions_NO_SIDE_EFFECTS), declared("Put", descriptorpb.MethodOptions_IDEMPOTENT),
			declared("Add", descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN),
		}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var table method.Table
	if table.Idempotent("/" + pkg + ".S/Get") {
		t.Error("nobody knows it yet")
	}
	if err := protoregistry.GlobalFiles.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"/" + pkg + ".S/Get": true, "/" + pkg + ".S/Put": true, "/" + pkg + ".S/Add": false,
		"/" + pkg + ".S/None": false, "/" + pkg + ".S": false, "/" + pkg + ".M": false, "": false, "/": false, "//": false, "a b/\x00": false,
		"/grpc.health.v1.Health/Check": false,
	} {
		for range 2 { // also when it is remembered
			if got := table.Idempotent(name); got != want {
				t.Errorf("%q: %v, want %v", name, got, want)
			}
		}
	}
}
