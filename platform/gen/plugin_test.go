package gen

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func TestParsePlugin(t *testing.T) {
	for text, want := range map[string]Plugin{
		"example.com/cmd/x@v1.2.3":           {"example.com/cmd/x", "v1.2.3", sourceRelative},
		"example.com/cmd/x@v1.2.3:":          {"example.com/cmd/x", "v1.2.3", ""},
		"example.com/cmd/x@v1.2.3:a=b,c=d:e": {"example.com/cmd/x", "v1.2.3", "a=b,c=d:e"},
	} {
		if got, err := ParsePlugin(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "example.com/x", "example.com/x@", "@v1", "x@v1", "example.com/x y@v1"} {
		if p, err := ParsePlugin(text); err == nil || !strings.Contains(err.Error(), "want PROGRAM@VERSION") {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
}

func FuzzParsePlugin(f *testing.F) {
	f.Add("example.com/x@v1:a=b")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePlugin(text)
		if err != nil {
			return
		}
		again, err := ParsePlugin(p.Program + "@" + p.Version + ":" + p.Options)
		if err != nil || again != p {
			t.Errorf("%q is %+v, and that is %+v, %v", text, p, again, err)
		}
	})
}

func TestMergeReplacesTheSameProgram(t *testing.T) {
	newer := Defaults()[0]
	newer.Version = "v9.9.9"
	other := Plugin{Program: "example.com/x", Version: "v1"}
	got := merge(Defaults(), []Plugin{other, newer})
	if len(got) != 3 || got[0] != newer || got[1] != Defaults()[1] || got[2] != other {
		t.Errorf("merged: %v", got)
	}
}

func TestCollectRefusesNamesOutsideAndTwice(t *testing.T) {
	plugins := []Plugin{{Program: "example.com/a", Version: "v1"}, {Program: "example.com/b", Version: "v1"}}
	for want, made := range map[string][][]output{
		`plugin b@v1: it would write "../x.go", outside`: {nil, {{name: "../x.go"}}},
		`plugin a@v1: it would write "/x.go", outside`:   {{{name: "/x.go"}}, nil},
		"plugin b@v1: it would write x.go, which a@v1":   {{{name: "x.go"}}, {{name: "x.go"}}},
	} {
		if _, err := collect(plugins, made); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	all, err := collect(plugins, [][]output{{{name: "z.go"}}, {{name: "a.go"}}})
	if err != nil || len(all) != 2 || all[0].name != "a.go" {
		t.Errorf("collected %v, %v", all, err)
	}
}

func TestUnderstandsFindsPluginsThatAreTooOld(t *testing.T) {
	optional := &descriptorpb.FileDescriptorProto{
		Name: new("x.proto"), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{NestedType: []*descriptorpb.DescriptorProto{{
			Field: []*descriptorpb.FieldDescriptorProto{{Proto3Optional: new(true)}},
		}}}},
	}
	edition := &descriptorpb.FileDescriptorProto{
		Name: new("x.proto"), Syntax: new("editions"), Edition: descriptorpb.Edition_EDITION_2023.Enum(),
	}
	knows := uint64(pluginpb.CodeGeneratorResponse_FEATURE_SUPPORTS_EDITIONS | pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)
	for _, c := range []struct {
		file     *descriptorpb.FileDescriptorProto
		response *pluginpb.CodeGeneratorResponse
		want     string
	}{
		{optional, &pluginpb.CodeGeneratorResponse{}, "uses optional fields"},
		{optional, &pluginpb.CodeGeneratorResponse{SupportedFeatures: &knows}, ""},
		{edition, &pluginpb.CodeGeneratorResponse{}, "uses editions"},
		{edition, &pluginpb.CodeGeneratorResponse{SupportedFeatures: &knows}, "uses EDITION_2023, which is newer"},
		{edition, &pluginpb.CodeGeneratorResponse{SupportedFeatures: &knows, MaximumEdition: new(int32(1000))}, ""},
	} {
		err := understands(c.response, []*descriptorpb.FileDescriptorProto{c.file}, []string{"x.proto"})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func TestPackageName(t *testing.T) {
	for pkg, want := range map[string]string{
		"example.com/shop/catalog":    "catalog",
		"example.com/shop/catalog/v1": "catalogv1",
		"example.com/v2":              "examplecomv2",
		"example.com/check-out":       "checkout",
		"example.com/3d":              "pb3d",
		"example.com/type":            "pbtype",
		"example.com/Über":            "über",
	} {
		if got, err := packageName(t.TempDir(), pkg); err != nil || got != want {
			t.Errorf("%s is named %s, want %s (%v)", pkg, got, want, err)
		}
	}
	if got, err := packageName(".", "example.com/other"); err != nil || got != "gen" {
		t.Errorf("a folder with Go files is named %s, want its package's name (%v)", got, err)
	}
}
