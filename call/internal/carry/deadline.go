package carry

import (
	"context"
	"strconv"
	"time"
)

// MaxDeadline is the longest time a caller says it waits.
const MaxDeadline = 24 * time.Hour

// TimeLeft is what the header of deadlines says: the time left until ctx's deadline or until
// tell, where that is sooner and not zero; at least 1 ms. "" when nothing bounds it.
func TimeLeft(ctx context.Context, tell time.Time) string {
	at, ok := ctx.Deadline()
	if !tell.IsZero() && (!ok || tell.Before(at)) {
		at, ok = tell, true
	}
	if !ok {
		return ""
	}
	left := min(time.Until(at), MaxDeadline)
	return strconv.FormatInt(max(1, left.Milliseconds()), 10)
}
