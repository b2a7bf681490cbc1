package reading_test

import (
	"fmt"

	"github.com/musterdev/muster/platform/fleet/reading"
	"github.com/musterdev/muster/strictyaml"
)

func ExampleText() {
	var errs strictyaml.Collector
	n := strictyaml.Parse("muster.yaml", []byte(`htp`), &errs)
	_, ok := reading.Text(n, "http or tcp", reading.OneOf("protocols", "http", "tcp"))
	fmt.Println(ok, errs.Err())
	// Output: false muster.yaml:1:1: "htp" is none of the protocols; did you mean "http"?
}

func ExampleCommand() {
	var errs strictyaml.Collector
	for _, text := range []string{`"serve --name 'two words'"`, `[serve, --name, two words]`} {
		words, ok := reading.Command(strictyaml.Parse("muster.yaml", []byte(text), &errs))
		fmt.Printf("%q %v\n", words, ok)
	}
	// Output:
	// ["serve" "--name" "two words"] true
	// ["serve" "--name" "two words"] true
}
