// Package value is what a visitor of package load remembers from one answer to the next
// request: [Capture] finds a value in an answer, [Template] puts it into a request.
package value
