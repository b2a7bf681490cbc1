package value

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
)

// Capture says where in an answer a value stands; exactly one field is set. A value that
// is not there fails the step.
type Capture struct {
	// JSON is a path into the body: "$.items[0].id"; [-1] is a list's last, [*] one at
	// random, ['a b'] a key of any letters. A value that is no text, number or boolean
	// becomes its JSON.
	JSON   string `yaml:"json"`
	Header string `yaml:"header"` // its first value
	Regexp string `yaml:"regexp"` // RE2, over the body: its first group, or the whole match
}

// Finder finds a value in an answer, choosing by random where there are several. The error
// says what is not there.
type Finder func(header http.Header, body []byte, random *rand.Rand) (string, error)

// Compile returns what finds the capture's value, or an error that says what is wrong with
// the capture. The Finder may be used concurrently, each time with a random of its own.
func (c Capture) Compile() (Finder, error) {
	set := 0
	for _, s := range []string{c.JSON, c.Header, c.Regexp} {
		if s != "" {
			set++
		}
	}
	switch {
	case set != 1:
		return nil, errors.New("a capture has exactly one of json, header and regexp")
	case c.JSON != "":
		path, err := parsePath(c.JSON)
		if err != nil {
			return nil, err
		}
		return func(_ http.Header, body []byte, random *rand.Rand) (string, error) { return path.find(body, random) }, nil
	case c.Header != "":
		return func(header http.Header, _ []byte, _ *rand.Rand) (string, error) {
			if v := header.Get(c.Header); v != "" {
				return v, nil
			}
			return "", fmt.Errorf("the answer has no header %s", c.Header)
		}, nil
	}
	re, err := regexp.Compile(c.Regexp)
	if err != nil {
		return nil, fmt.Errorf("regexp %.60q: %w", c.Regexp, err)
	}
	return func(_ http.Header, body []byte, _ *rand.Rand) (string, error) {
		m := re.FindSubmatch(body)
		if m == nil {
			return "", fmt.Errorf("the answer has nothing like %.60q", c.Regexp)
		}
		return string(m[min(1, len(m)-1)]), nil
	}, nil
}
