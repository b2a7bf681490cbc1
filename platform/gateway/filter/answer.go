package filter

import "fmt"

// Answer is the error of a Filter that answers a request itself, such as a preflight of
// CORS or a redirect. Refusals are *problem.Error, which all of the edge's are.
type Answer struct {
	Status int    // 200 to 599
	Header Header // of the answer, besides Request.Reply
	Body   []byte // nil: none
}

// Error says that the request was answered.
func (a *Answer) Error() string { return fmt.Sprintf("answered with %d by a filter", a.Status) }
