package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// path is the part of JSONPath (RFC 9535) that leads to one value.
type path struct {
	text string
	hops []hop
}

// hop is a key of an object, or an index of a list.
type hop struct {
	key    string
	index  int
	list   bool // it is an index
	random bool // any index
}

// maxPath bounds a path's text, in bytes.
const maxPath = 500

func parsePath(s string) (path, error) {
	p := path{text: s}
	rest, ok := strings.CutPrefix(s, "$")
	if !ok || len(s) > maxPath {
		return p, fmt.Errorf("json path %.60q: it begins with $, such as $.items[0].id", s)
	}
	for rest != "" {
		var h hop
		var err error
		switch {
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			h.key, rest = rest[1:1+end], rest[1+end:]
			if h.key == "" {
				err = errors.New("a name is missing after a dot")
			}
		case strings.HasPrefix(rest, "['"):
			key, after, closed := strings.Cut(rest[2:], "']")
			h.key, rest = key, after
			if !closed {
				err = errors.New("[' is not closed by ']")
			}
		case rest[0] == '[':
			inside, after, closed := strings.Cut(rest[1:], "]")
			h.list, rest = true, after
			if h.random = inside == "*"; !h.random {
				h.index, err = strconv.Atoi(inside)
			}
			if !closed || err != nil {
				err = errors.New("an index is a whole number or *, as in [0], [-1] or [*]")
			}
		default:
			err = errors.New("write .name, ['name'] or [0] after $")
		}
		if err != nil {
			return p, fmt.Errorf("json path %.60q: %w", s, err)
		}
		p.hops = append(p.hops, h)
	}
	return p, nil
}

// find returns the value at the path in a JSON text.
func (p path) find(body []byte, random *rand.Rand) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return "", fmt.Errorf("the answer is not JSON, so it has no %s", p.text)
	}
	for _, h := range p.hops {
		next, ok := h.step(v, random)
		if !ok {
			return "", fmt.Errorf("the answer has no %s", p.text)
		}
		v = next
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case nil:
		return "", fmt.Errorf("the answer's %s is null", p.text)
	}
	b, err := json.Marshal(v)
	return string(b), err
}

func (h hop) step(v any, random *rand.Rand) (any, bool) {
	if !h.list {
		object, _ := v.(map[string]any)
		next, ok := object[h.key]
		return next, ok
	}
	list, _ := v.([]any)
	i := h.index
	switch {
	case len(list) == 0:
		return nil, false
	case h.random:
		i = random.IntN(len(list))
	case i < 0:
		i += len(list)
	}
	if i < 0 || i >= len(list) {
		return nil, false
	}
	return list[i], true
}
