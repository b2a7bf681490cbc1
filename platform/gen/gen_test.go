package gen_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gen"
)

// tree writes text into a temporary folder: a line "-- path --" begins each file.
func tree(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for part := range strings.SplitSeq("\n"+text, "\n-- ") {
		if name, content, ok := strings.Cut(part, " --\n"); ok {
			put(t, filepath.Join(dir, filepath.FromSlash(name)), content+"\n")
		}
	}
	return dir
}

func put(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run generates and returns what was logged.
func run(t *testing.T, o gen.Options) string {
	t.Helper()
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := gen.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return log.String()
}

// fails generates, expects an error and returns it with dir taken out of the text.
func fails(t *testing.T, o gen.Options) string {
	t.Helper()
	err := gen.Run(t.Context(), o)
	if err == nil {
		t.Fatal("no error")
	}
	return strings.ReplaceAll(err.Error(), filepath.ToSlash(o.Dir)+"/", "")
}

// code lists the Go files below dir.
func code(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".go") {
			rel, _ := filepath.Rel(dir, name)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

const greeter = `
-- greet/v1/greet.proto --
syntax = "proto3";
package greet.v1;

import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
import "words/words.proto";

// Greeter says hello.
service Greeter {
  rpc Greet(GreetRequest) returns (words.Line) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/greet/{name}"};
  }
}

message GreetRequest {
  string name = 1;
  optional google.protobuf.Timestamp at = 2;
}
-- words/words.proto --
syntax = "proto3";
package words;

option go_package = "example.com/hello/words";

message Line { string text = 1; }
`

// TestGeneratedServiceAnswers generates into a new module, compiles it and has a
// client call the service.
func TestGeneratedServiceAnswers(t *testing.T) {
	dir := tree(t, greeter+`
-- main.go --
package main

import (
	"context"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	greetv1 "example.com/hello/greet/v1"
	"example.com/hello/words"
)

type server struct{ greetv1.UnimplementedGreeterServer }

func (server) Greet(_ context.Context, r *greetv1.GreetRequest) (*words.Line, error) {
	return &words.Line{Text: "hello, " + r.GetName()}, nil
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer()
	greetv1.RegisterGreeterServer(s, server{})
	go s.Serve(l)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	line, err := greetv1.NewGreeterClient(conn).Greet(context.Background(), &greetv1.GreetRequest{Name: "Ada"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(line.GetText())
}
`)
	module(t, dir, "example.com/hello")
	run(t, gen.Options{Dir: dir})

	want := "greet/v1/greet.pb.go greet/v1/greet_grpc.pb.go main.go words/words.pb.go"
	if got := strings.Join(code(t, dir), " "); got != want {
		t.Errorf("files are %s, want %s", got, want)
	}
	text, err := os.ReadFile(filepath.Join(dir, "greet/v1/greet_grpc.pb.go"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "package greetv1") || !strings.Contains(string(text), "// Greeter says hello.") {
		t.Error("greet_grpc.pb.go lacks its package's name or the comment of the .proto")
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if out, err := cmd.Output(); err != nil || string(out) != "hello, Ada\n" {
		t.Errorf("go run .: %v, said %q\n%s", err, out, &stderr)
	}
}

// module writes a go.mod into dir that asks for what this module asks for, so that
// nothing new is downloaded.
func module(t *testing.T, dir, name string) {
	t.Helper()
	ours, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	text := "module " + name + "\n\ngo 1.26.0\n"
	for _, line := range regexp.MustCompile(`(?m)^\t(google\.golang\.org/\S+ \S+)`).FindAllSubmatch(ours, -1) {
		text += "\nrequire " + string(line[1])
	}
	put(t, filepath.Join(dir, "go.mod"), text+"\n")
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "go.sum"), string(sums))
}

func TestRunWritesOnlyWhatChanged(t *testing.T) {
	dir := tree(t, greeter+"\n-- go.mod --\nmodule example.com/hello\n")
	if log := run(t, gen.Options{Dir: dir}); strings.Count(log, "wrote ") != 3 {
		t.Errorf("the first run logged:\n%s", log)
	}
	untouched := filepath.Join(dir, "words/words.pb.go")
	before, err := os.Stat(untouched)
	if err != nil {
		t.Fatal(err)
	}
	if log := run(t, gen.Options{Dir: dir}); strings.Contains(log, "wrote ") {
		t.Errorf("the second run logged:\n%s", log)
	}
	run(t, gen.Options{Dir: dir, Check: true})

	edit(t, filepath.Join(dir, "greet/v1/greet.proto"), "string name = 1;", "string name = 1; string title = 3;")
	got := fails(t, gen.Options{Dir: dir, Check: true})
	if want := "greet/v1/greet.pb.go: is not what its .proto generates; run muster gen and commit the result"; got != want {
		t.Errorf("check says\n%s\nwant\n%s", got, want)
	}
	if log := run(t, gen.Options{Dir: dir}); strings.Count(log, "wrote ") != 1 {
		t.Errorf("the third run logged:\n%s", log)
	}
	if after, err := os.Stat(untouched); err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("words.pb.go was rewritten though it did not change (%v)", err)
	}
}

func edit(t *testing.T, name, from, to string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	put(t, name, strings.ReplaceAll(string(text), from, to))
}

func TestRunNamesCodeWhoseProtoIsGone(t *testing.T) {
	dir := tree(t, greeter+"\n-- go.mod --\nmodule example.com/hello\n")
	run(t, gen.Options{Dir: dir})
	edit(t, filepath.Join(dir, "greet/v1/greet.proto"), "service Greeter {", "/* service Greeter {")
	edit(t, filepath.Join(dir, "greet/v1/greet.proto"), "message GreetRequest {", "*/ message GreetRequest {")
	edit(t, filepath.Join(dir, "greet/v1/greet.proto"), `import "google/api/annotations.proto";`, "")
	edit(t, filepath.Join(dir, "greet/v1/greet.proto"), `import "words/words.proto";`, "")
	const want = "greet/v1/greet_grpc.pb.go: no .proto generates this file any more; delete it"
	if log := run(t, gen.Options{Dir: dir}); !strings.Contains(log, want) {
		t.Errorf("logged:\n%s", log)
	}
	if got := fails(t, gen.Options{Dir: dir, Check: true}); got != want {
		t.Errorf("check says %s", got)
	}
}

func TestImportsFromOtherTreesAreNotGenerated(t *testing.T) {
	dir := tree(t, `
-- third_party/words/words.proto --
syntax = "proto3";
package words;
option go_package = "example.com/other/words";
message Line { string text = 1; }
-- node_modules/broken.proto --
this is not a proto
-- greet.proto --
syntax = "proto3";
package greet;
option go_package = "example.com/hello/greet;greet";
import "words/words.proto";
message Greeting { words.Line line = 1; }
`)
	run(t, gen.Options{Dir: dir, Imports: []string{filepath.Join(dir, "third_party")}})
	if got := strings.Join(code(t, dir), " "); got != "greet.pb.go" {
		t.Errorf("files are %s", got)
	}
}

func TestMistakesAreNamedByTheirPlace(t *testing.T) {
	const head = "syntax = \"proto3\";\npackage x;\noption go_package = \"example.com/x\";\n"
	for name, c := range map[string]struct{ proto, want string }{
		"syntax":          {head + "message A { string a = }\n", "x.proto:4:24: syntax error"},
		"unknown type":    {head + "message A {\n  Missing a = 1;\n}\n", "x.proto:5:3: field x.A.a: unknown type Missing"},
		"same number":     {head + "message A {\n  string a = 1;\n  string b = 1;\n}\n", "x.proto:6:14: message x.A: fields a and b both have the same tag 1"},
		"missing import":  {head + "import \"nowhere/y.proto\";\n", "x.proto:4:8: could not resolve path \"nowhere/y.proto\""},
		"where it looked": {head + "import \"nowhere/y.proto\";\n", "imports are looked for below"},
		"above the tree":  {head + "import \"../y.proto\";\n", "x.proto:4:8: could not resolve path \"../y.proto\""},
		"cycle":           {head + "import \"x.proto\";\n", "x.proto:4:8: cycle found in imports: \"x.proto\" -> \"x.proto\""},
		"no package":      {"syntax = \"proto3\";\n", "x.proto:1:1: has no option go_package, and it cannot be told from the file's place: no go.mod"},
		"two mistakes":    {head + "message A {\n  One a = 1;\n  Two b = 2;\n}\n", "x.proto:6:3: field x.A.b: unknown type Two"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, "-- x.proto --\n"+c.proto)
			if got := fails(t, gen.Options{Dir: dir}); !strings.HasPrefix(got, "x.proto:") || !strings.Contains(got, c.want) {
				t.Errorf("says\n%s\nwant\n%s", got, c.want)
			}
			if files := code(t, dir); len(files) > 0 {
				t.Errorf("wrote %v", files)
			}
		})
	}
}

func TestRunNeedsProtos(t *testing.T) {
	dir := t.TempDir()
	if got := fails(t, gen.Options{Dir: dir}); !strings.HasSuffix(got, "no .proto file in this folder or below it") {
		t.Error(got)
	}
	if got := fails(t, gen.Options{Dir: filepath.Join(dir, "gone")}); !strings.Contains(got, "gone: no such file") {
		t.Error(got)
	}
}

func TestPluginsAreNamedWhenTheyFail(t *testing.T) {
	dir := tree(t, `
-- x.proto --
syntax = "proto3";
package x;
option go_package = "example.com/x";
message A {}
`)
	for name, c := range map[string]struct{ plugin, want string }{
		"unknown option": {"google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12:colour=red", "protoc-gen-go: no such flag -colour"},
		"not a version":  {"google.golang.org/protobuf/cmd/protoc-gen-go@v0.0.1-none", "plugin protoc-gen-go@v0.0.1-none: go run google.golang.org/protobuf/cmd/protoc-gen-go@v0.0.1-none failed: exit status 1\n    go: "},
		"not a plugin":   {"google.golang.org/protobuf/proto@v1.36.12", "plugin proto@v1.36.12: go run google.golang.org/protobuf/proto@v1.36.12 failed: exit status 1\n    package google.golang.org/protobuf/proto is not a main package"},
		"outside":        {"google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12:Mx.proto=example.com/x,module=example.com/y", "generated file does not match prefix"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := gen.ParsePlugin(c.plugin)
			if err != nil {
				t.Fatal(err)
			}
			if got := fails(t, gen.Options{Dir: dir, Plugins: []gen.Plugin{p}}); !strings.Contains(got, c.want) {
				t.Errorf("says\n%s\nwant\n%s", got, c.want)
			}
			if files := code(t, dir); len(files) > 0 {
				t.Errorf("wrote %v", files)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	dir := tree(t, greeter+"\n-- go.mod --\nmodule example.com/hello\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := gen.Run(ctx, gen.Options{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
