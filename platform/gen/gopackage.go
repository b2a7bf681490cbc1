package gen

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/mod/modfile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// declarePackages fills in option go_package where the author left it out: the
// import path of the folder the code is written to. So a .proto need not repeat
// what go.mod and its own place already say.
func declarePackages(src source, files []*descriptorpb.FileDescriptorProto, protos []string) error {
	for _, file := range files {
		if file.GetOptions().GetGoPackage() != "" || !slices.Contains(protos, file.GetName()) {
			continue
		}
		dir := filepath.Join(src.dir, filepath.Dir(filepath.FromSlash(file.GetName())))
		pkg, err := importPath(dir)
		if err != nil {
			return fmt.Errorf("%s:1:1: has no option go_package, and it cannot be told from the file's place: %w", src.place(file.GetName()), err)
		}
		name, err := packageName(dir, pkg)
		if err != nil {
			return err
		}
		options := &descriptorpb.FileOptions{GoPackage: new(pkg + ";" + name)}
		proto.Merge(options, file.GetOptions())
		file.Options = options
	}
	return nil
}

// importPath returns the import path of dir, by the nearest go.mod above it.
func importPath(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for root := abs; ; root = filepath.Dir(root) {
		text, err := os.ReadFile(filepath.Join(root, "go.mod"))
		if err == nil {
			module := modfile.ModulePath(text)
			if module == "" {
				return "", fmt.Errorf("%s names no module", filepath.Join(root, "go.mod"))
			}
			rel, err := filepath.Rel(root, abs)
			return path.Join(module, filepath.ToSlash(rel)), err
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		if root == filepath.Dir(root) {
			return "", errors.New("no go.mod in its folder or above it")
		}
	}
}

// packageName returns the name of the Go package in dir; where there is none yet,
// the last word of its import path, with the word before a mere version: catalog/v1
// is catalogv1.
func packageName(dir, pkg string) (string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		// A file that does not parse is the compiler's business, not ours.
		if file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly); err == nil {
			return file.Name.Name, nil
		}
	}
	word := path.Base(pkg)
	if len(word) > 1 && word[0] == 'v' && strings.Trim(word[1:], "0123456789") == "" {
		word = path.Base(path.Dir(pkg)) + word
	}
	word = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, word)
	if word == "" || unicode.IsDigit(rune(word[0])) || token.IsKeyword(word) {
		word = "pb" + word
	}
	return word, nil
}
