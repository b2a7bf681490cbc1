package proxy

import (
	"bytes"
	"slices"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// prepared is the answer to a problem, but for the path that it names: an edge that turns away
// many writes it once.
type prepared struct {
	fields        filter.Header
	before, after []byte // of the path
}

// prepare writes the answer to err for a path that is nowhere else in it.
func prepare(err error) prepared {
	const path = "/-/"
	fields, body := written(err, path)
	fields = slices.DeleteFunc(fields, func(f filter.Field) bool { return f.Name == "Content-Length" })
	before, after, _ := bytes.Cut(body, []byte(path))
	return prepared{slices.Clip(fields), before, after}
}

func (p *prepared) answer(path string) (filter.Header, []byte) {
	body := make([]byte, 0, len(p.before)+len(path)+len(p.after))
	body = append(append(append(body, p.before...), path...), p.after...)
	return append(make(filter.Header, 0, len(p.fields)+4), p.fields...), body
}

// plain reports whether a path stands in JSON and in an URL as it is.
func plain(path string) bool {
	if path == "" || path[0] != '/' || len(path) > 4096 {
		return false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '-', c == '_', c == '.', c == '~':
		default:
			return false
		}
	}
	return true
}
