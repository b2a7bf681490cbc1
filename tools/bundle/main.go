// Command bundle builds the dashboard's web application: TypeScript and CSS in, a few
// minified files out. It needs Go alone; packages from npm are vendored as sources.
//
//	cd tools && go run ./bundle -web ../platform/dashboard/web -out ../platform/dashboard/dist
//
// The same sources give the same bytes, so that a check can tell whether what is
// committed is fresh.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	web := flag.String("web", "../platform/dashboard/web", "the folder with index.html, tsconfig.json, src and vendor")
	out := flag.String("out", "../platform/dashboard/dist", "the folder for what is built; what it has is replaced")
	flag.Parse()
	if err := bundle(*web, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// bundle builds web into out. When it fails, out is as it was.
func bundle(web, out string) error {
	dir, err := filepath.Abs(web)
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	for _, name := range []string{"index.html", "icon.svg"} { // copied as they are
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("-web %s is no web application: %w", web, err)
		}
	}
	built := api.Build(options(dir))
	if len(built.Errors) > 0 {
		texts := api.FormatMessages(built.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage})
		var all error
		for _, text := range texts {
			all = errors.Join(all, errors.New(text))
		}
		return fmt.Errorf("%s does not build: %w", web, all)
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, f := range built.OutputFiles {
		files[filepath.Base(f.Path)] = f.Contents
	}
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(out, name), body, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// options has everything that decides about the bytes.
func options(dir string) api.BuildOptions {
	return api.BuildOptions{
		AbsWorkingDir:       dir,
		EntryPointsAdvanced: []api.EntryPoint{{InputPath: "src/main/index.tsx", OutputPath: "app"}},
		Outdir:              "out", // names only: nothing is written there
		AssetNames:          "[name]",
		PublicPath:          "/assets",
		Bundle:              true,
		Format:              api.FormatESModule,
		Target:              api.ES2022,
		MinifyWhitespace:    true,
		MinifyIdentifiers:   true,
		MinifySyntax:        true,
		LegalComments:       api.LegalCommentsNone,
		JSX:                 api.JSXAutomatic,
		JSXImportSource:     "preact",
		Tsconfig:            "tsconfig.json",
		Loader:              map[string]api.Loader{".woff2": api.LoaderFile},
		Charset:             api.CharsetUTF8,
		Define:              map[string]string{"process.env.NODE_ENV": `"production"`},
		LogLevel:            api.LogLevelSilent,
	}
}
