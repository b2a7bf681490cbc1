package filter

import (
	"cmp"
	"encoding/json"
	"fmt"
)

// Mismatch says of a value in JSON that is of another kind than it must be where it stands,
// and what must stand there, for people who know no Go.
func Mismatch(err *json.UnmarshalTypeError) string {
	return fmt.Sprintf("%s: must be %s, not %s", cmp.Or(written(err.Field), "all of it"), wanted(err.Type), given(err.Value))
}
