package seen

import "time"

// Connections tell how calls stand with the connections to the instances of a service,
// where these are bounded; see [resilience.BulkheadSettings].
type Connections struct {
	PerInstance int           `json:"per_instance"` // the most that each instance gets; the highest where routes differ
	Waiting     int64         `json:"waiting"`      // calls that wait for one now
	Waited      uint64        `json:"waited"`       // calls that had to wait, be it for one to be opened, since the start
	WaitSum     time.Duration `json:"wait_sum"`     // the time they waited, together
	GaveUp      uint64        `json:"gave_up"`      // calls that waited in vain, since the start
}
