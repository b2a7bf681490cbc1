package guard

import (
	"os/signal"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, line := range []string{"", "+", "+ ", "+ 1", "+ 0", "+ -7", "- -7", "* 7", "+ 7 ", "+  7", "++ 7", "+ 07", "+ 0x7", "+ 99999999999999999999", "7", "+7", "+ +7"} {
		if _, _, ok := parse(line); ok {
			t.Errorf("parse(%q) takes it for an order", line)
		}
	}
	if op, id, ok := parse("- 4711"); !ok || op != forget || id != 4711 {
		t.Errorf("parse(- 4711) = %c %d %v", op, id, ok)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("+ 4711")
	f.Add("- 2")
	f.Fuzz(func(t *testing.T, line string) {
		op, id, ok := parse(line)
		if ok && (id <= 1 || string(order(op, id)) != line+"\n") {
			t.Errorf("parse(%q) = %c %d, which is written %q", line, op, id, order(op, id))
		}
	})
}

func TestMainWithoutOrdersEnds(t *testing.T) {
	t.Cleanup(func() { signal.Reset() }) // Main ignores them for good
	var said strings.Builder
	if code := Main(strings.NewReader("+ 1\nrubbish\n"), &said); code != 0 || said.String() != hello {
		t.Errorf("code %d, said %q", code, said.String())
	}
}
