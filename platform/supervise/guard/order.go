package guard

import (
	"fmt"
	"strconv"
	"strings"
)

// The guardian is told by lines: "+ 4711" watches over group 4711, "- 4711"
// forgets it.
const (
	watchOver byte = '+'
	forget    byte = '-'
)

func order(op byte, id int) []byte { return fmt.Appendf(nil, "%c %d\n", op, id) }

// parse reads one order. A line that is none is refused, never guessed at:
// the guardian kills what it is told.
func parse(line string) (op byte, id int, ok bool) {
	word, number, found := strings.Cut(line, " ")
	if !found || len(word) != 1 || (word[0] != watchOver && word[0] != forget) {
		return 0, 0, false
	}
	id, err := strconv.Atoi(number)
	if err != nil || id <= 1 || strconv.Itoa(id) != number {
		return 0, 0, false
	}
	return word[0], id, true
}
