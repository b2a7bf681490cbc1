package gen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	// The protos that services commonly import beside google/protobuf: their
	// descriptors are found in the registry under google/api and google/rpc.
	_ "google.golang.org/genproto/googleapis/api/annotations"
	_ "google.golang.org/genproto/googleapis/api/httpbody"
	_ "google.golang.org/genproto/googleapis/api/visibility"
	_ "google.golang.org/genproto/googleapis/rpc/code"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	_ "google.golang.org/genproto/googleapis/rpc/status"
)

// maxMistakes bounds how many errors one run reports.
const maxMistakes = 20

// compile parses, links and checks protos and returns their descriptors with all
// they import, every file after the files it imports.
func compile(ctx context.Context, src source, protos []string, log *slog.Logger) ([]*descriptorpb.FileDescriptorProto, error) {
	m := &mistakes{src: src, log: log}
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: []string{""}, Accessor: src.open},
			protocompile.ResolverFunc(builtin),
		}),
		Reporter:       m,
		SourceInfoMode: protocompile.SourceInfoStandard, // comments go into the code
	}
	linked, err := compiler.Compile(ctx, protos...)
	unreported, located := errors.AsType[reporter.ErrorWithPos](err) // as for an import that is not there
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(m.found) > 0:
		return nil, errors.Join(m.found...)
	case located:
		return nil, m.at(unreported)
	case err != nil:
		return nil, fmt.Errorf("compile the .proto files in %s: %w", src.dir, err)
	}
	var ordered []*descriptorpb.FileDescriptorProto
	seen := map[string]bool{}
	for _, file := range linked {
		ordered = inOrder(ordered, seen, file)
	}
	return ordered, nil
}

// builtin finds a proto that is linked into this binary.
func builtin(name string) (protocompile.SearchResult, error) {
	if !strings.HasPrefix(name, "google/api/") && !strings.HasPrefix(name, "google/rpc/") {
		return protocompile.SearchResult{}, protoregistry.NotFound
	}
	file, err := protoregistry.GlobalFiles.FindFileByPath(name)
	return protocompile.SearchResult{Desc: file}, err
}

// inOrder appends file to files, after what it imports.
func inOrder(files []*descriptorpb.FileDescriptorProto, seen map[string]bool, file protoreflect.FileDescriptor) []*descriptorpb.FileDescriptorProto {
	if seen[file.Path()] {
		return files
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		files = inOrder(files, seen, file.Imports().Get(i).FileDescriptor)
	}
	if compiled, ok := file.(linker.Result); ok {
		// A copy, because go_package may be filled in.
		return append(files, proto.CloneOf(compiled.FileDescriptorProto()))
	}
	return append(files, protodesc.ToFileDescriptorProto(file))
}

// mistakes collects what the compiler reports; the compiler calls it from one
// goroutine at a time.
type mistakes struct {
	src   source
	log   *slog.Logger
	found []error
}

// Error notes a mistake and lets the compiler go on to find more.
func (m *mistakes) Error(err reporter.ErrorWithPos) error {
	m.found = append(m.found, m.at(err))
	if len(m.found) == maxMistakes {
		return fmt.Errorf("more than %d mistakes", maxMistakes)
	}
	return nil
}

// Warning passes on what the compiler only finds odd, such as an unused import.
func (m *mistakes) Warning(err reporter.ErrorWithPos) {
	m.log.Warn(m.at(err).Error())
}

func (m *mistakes) at(err reporter.ErrorWithPos) error {
	pos := err.GetPosition()
	why := err.Unwrap().Error()
	if errors.Is(err, protoregistry.NotFound) || strings.Contains(why, "file does not exist") {
		why += fmt.Sprintf("; imports are looked for below %s and among google/protobuf, google/api and google/rpc", strings.Join(append([]string{m.src.dir}, m.src.imports...), ", "))
	}
	return fmt.Errorf("%s:%d:%d: %s", m.src.locate(pos.Filename), pos.Line, pos.Col, why)
}
