package gen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bufbuild/protocompile/options"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// Plugin is a program that turns descriptors into code, as protoc would run it.
type Plugin struct {
	Program string // package path of its main, such as google.golang.org/protobuf/cmd/protoc-gen-go
	Version string // of the module it is in, such as v1.36.12
	Options string // its parameter, comma-separated; see [ParsePlugin] for the default
}

// Defaults returns the plugins that make Go messages and gRPC clients and servers.
func Defaults() []Plugin {
	return []Plugin{
		{Program: "google.golang.org/protobuf/cmd/protoc-gen-go", Version: "v1.36.12", Options: sourceRelative},
		{Program: "google.golang.org/grpc/cmd/protoc-gen-go-grpc", Version: "v1.6.2", Options: sourceRelative},
	}
}

// sourceRelative puts code beside the .proto it comes from.
const sourceRelative = "paths=source_relative"

// ParsePlugin reads PROGRAM@VERSION[:OPTIONS]. Without a colon the options are
// paths=source_relative, which plugins for Go understand; a colon with nothing
// after it passes none.
func ParsePlugin(text string) (Plugin, error) {
	program, rest, ok := strings.Cut(text, "@")
	version, opts, given := strings.Cut(rest, ":")
	if !ok || program == "" || version == "" || !strings.Contains(program, "/") || strings.ContainsAny(text, " \t\n") {
		return Plugin{}, fmt.Errorf("plugin %q: want PROGRAM@VERSION[:OPTIONS], such as google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12", text)
	}
	if !given {
		opts = sourceRelative
	}
	return Plugin{Program: program, Version: version, Options: opts}, nil
}

// String returns the plugin's short name and version.
func (p Plugin) String() string { return path.Base(p.Program) + "@" + p.Version }

// generate runs the plugins side by side and returns their outputs, sorted by name.
func generate(ctx context.Context, plugins []Plugin, files []*descriptorpb.FileDescriptorProto, protos []string, log *slog.Logger) ([]output, error) {
	request, err := requestFor(files, protos)
	if err != nil {
		return nil, err
	}
	made := make([][]output, len(plugins))
	failed := make([]error, len(plugins))
	var wg sync.WaitGroup
	for i, p := range plugins {
		wg.Go(func() {
			var saying sync.WaitGroup // nothing is logged after this function has returned
			saying.Add(1)
			slow := time.AfterFunc(time.Second, func() {
				defer saying.Done()
				log.Info("building " + p.String() + ", which its first run does")
			})
			defer func() {
				if !slow.Stop() {
					saying.Wait()
				}
			}()
			made[i], failed[i] = p.run(ctx, request, files)
		})
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	return collect(plugins, made)
}

// requestFor builds what every plugin is told, but for its own parameter.
func requestFor(files []*descriptorpb.FileDescriptorProto, protos []string) (*pluginpb.CodeGeneratorRequest, error) {
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: protos}
	for _, file := range files {
		stripped, err := options.StripSourceRetentionOptionsFromFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.GetName(), err)
		}
		request.ProtoFile = append(request.ProtoFile, stripped)
		if slices.Contains(protos, file.GetName()) {
			request.SourceFileDescriptors = append(request.SourceFileDescriptors, file)
		}
	}
	return request, nil
}

// run starts the plugin and asks it. Its errors are one line, with what it wrote
// to its standard error indented below.
func (p Plugin) run(ctx context.Context, request *pluginpb.CodeGeneratorRequest, files []*descriptorpb.FileDescriptorProto) ([]output, error) {
	own := &pluginpb.CodeGeneratorRequest{ // the rest is shared with the other plugins
		FileToGenerate:        request.GetFileToGenerate(),
		ProtoFile:             request.GetProtoFile(),
		SourceFileDescriptors: request.GetSourceFileDescriptors(),
	}
	if p.Options != "" {
		own.Parameter = new(p.Options)
	}
	stdin, err := proto.MarshalOptions{Deterministic: true}.Marshal(own)
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", p, err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "run", p.Program+"@"+p.Version)
	cmd.Env = environment(os.Environ())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, exec.ErrNotFound):
			return nil, fmt.Errorf("plugin %s: the go command is not in PATH, and plugins are built by it", p)
		}
		return nil, fmt.Errorf("plugin %s: go run %s@%s failed: %w%s", p, p.Program, p.Version, err, indent(stderr.String()))
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(stdout.Bytes(), &response); err != nil {
		return nil, fmt.Errorf("plugin %s: its answer is not a CodeGeneratorResponse: %w", p, err)
	}
	if response.Error != nil {
		return nil, fmt.Errorf("plugin %s: %s", p, response.GetError())
	}
	if err := understands(&response, files, request.GetFileToGenerate()); err != nil {
		return nil, fmt.Errorf("plugin %s: %w", p, err)
	}
	var outputs []output
	for _, f := range response.GetFile() {
		if f.InsertionPoint != nil || f.GetName() == "" {
			return nil, fmt.Errorf("plugin %s: it writes into the file of another plugin (insertion point %q), which is not supported", p, f.GetInsertionPoint())
		}
		outputs = append(outputs, output{name: path.Clean(f.GetName()), content: f.GetContent()})
	}
	return outputs, nil
}

// understands reports, as protoc does, that a plugin is too old for what the files use:
// it would otherwise leave out presence or edition features without a word.
func understands(response *pluginpb.CodeGeneratorResponse, files []*descriptorpb.FileDescriptorProto, protos []string) error {
	const (
		editions = uint64(pluginpb.CodeGeneratorResponse_FEATURE_SUPPORTS_EDITIONS)
		optional = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)
	)
	features := response.GetSupportedFeatures()
	for _, file := range files {
		if !slices.Contains(protos, file.GetName()) {
			continue
		}
		if file.GetSyntax() == "editions" {
			if features&editions == 0 {
				return fmt.Errorf("%s uses editions, which this version does not support; take a newer one", file.GetName())
			}
			if e := int32(file.GetEdition()); e > response.GetMaximumEdition() {
				return fmt.Errorf("%s uses %s, which is newer than this version knows; take a newer one", file.GetName(), file.GetEdition())
			}
		}
		if usesOptional(file.GetMessageType()) && features&optional == 0 {
			return fmt.Errorf("%s uses optional fields, which this version does not support in proto3; take a newer one", file.GetName())
		}
	}
	return nil
}

func usesOptional(messages []*descriptorpb.DescriptorProto) bool {
	return slices.ContainsFunc(messages, func(m *descriptorpb.DescriptorProto) bool {
		return slices.ContainsFunc(m.GetField(), (*descriptorpb.FieldDescriptorProto).GetProto3Optional) || usesOptional(m.GetNestedType())
	})
}

// environment is what `go run` gets: the caller's, without what would build the
// plugin for another machine or tie it to the caller's module.
func environment(caller []string) []string {
	env := slices.DeleteFunc(caller, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "GOOS" || name == "GOARCH" || name == "GOFLAGS"
	})
	return append(env, "GOWORK=off", "CGO_ENABLED=0")
}
