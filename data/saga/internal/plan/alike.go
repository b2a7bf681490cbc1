package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// What differs between errors that are the same: what is quoted, and words with a digit in them,
// as numbers, ids, addresses, times and keys are; and words that are too long to be any.
var (
	quoted = regexp.MustCompile(`"[^"]*"|'[^']*'|` + "`[^`]*`")
	ids    = regexp.MustCompile(`[\pL\d_.:/@+-]*\d(?:[\pL\d_.:/@+-]*[\pL\d])?|\pL{20,}`)
)

// mostAlike is how much of a text is looked at: what comes behind, a list or a dump, differs anyway.
const mostAlike = 300 // bytes

// Fold is a text without what differs between errors of one kind: digits, ids and what is quoted.
func Fold(text string) string {
	text = quoted.ReplaceAllString(text, "'…'")
	text = ids.ReplaceAllString(text, "#")
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > mostAlike {
		text = strings.ToValidUTF8(text[:mostAlike], "")
	}
	return text
}

// Alike is the same for errors of one kind, however long they are, whatever the id of the saga that
// they came to: 32 hexadecimal digits.
func Alike(o Outcome, id string) string {
	const telling = 4 // a shorter id may stand in any word
	text := o.Text
	if len(id) >= telling {
		text = strings.ReplaceAll(text, id, "#")
	}
	sum := sha256.Sum256([]byte(string(o.Kind) + " " + Fold(text)))
	return hex.EncodeToString(sum[:16])
}

// Counts reports whether an outcome is one that many sagas are not to come to: a mistake, or
// something like it. What others are to blame for, who are away or slow, is tried again
// until they are back.
func (o Outcome) Counts() bool { return o.Kind == Fault || o.Kind == Bug }
