package parking

import "strings"

// maxError is the most bytes of an error that are kept.
const maxError = 2000

// clean makes of an error's text what every database takes.
func clean(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "…"
	}
	return text
}
