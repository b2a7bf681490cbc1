// Command testsum reads `go test -json` on its standard input and says in few
// lines what happened: one line a package, everything a failed test wrote, and
// nothing of those that passed.
//
//	go test -json ./... | tee part.json | go run ./internal/testsum
//	cat *.json | go run ./internal/testsum -summary
//
// With -summary it prints no packages, but each skipped test with its reason, and a
// closing line "N passed, N failed, N skipped", to which -failed adds the names of
// other work that failed. It exits 1 when anything failed. A suite
// that cannot run here skips with a reason that begins with "suite NAME"; with CI=true
// in the environment such a skip counts as a failure, because there it must run.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	summary := flag.Bool("summary", false, "print the skipped tests and the closing line only")
	others := flag.String("failed", "", "what failed beside the tests, `names` separated by commas")
	flag.Parse()
	if err := run(*summary, *others); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(2)
	}
}

func run(summary bool, others string) error {
	r := newReport()
	r.broken = strings.FieldsFunc(others, func(c rune) bool { return c == ',' })
	if !summary {
		r.live = os.Stdout
	}
	if err := r.read(os.Stdin); err != nil {
		return err
	}
	strict := os.Getenv("CI") == "true"
	if summary {
		r.summarize(os.Stdout, strict)
	}
	if r.failed(strict && summary) > 0 {
		os.Exit(1)
	}
	return nil
}
