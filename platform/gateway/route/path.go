package route

import (
	"strings"

	"github.com/musterdev/muster/problem"
)

// CanonicalPath returns the path that a raw one, as it stands in a request line
// (without the query), means: its percent-encodings are resolved (RFC 3986, 2.1).
// It refuses every path that programs are known to read differently: one that does
// not begin with a slash, empty and dot segments ("//", "/../", also with a ";"
// after the dots), an encoded slash, overlong UTF-8, and backslashes, NUL and other control
// characters in either form. So splitting the result at its slashes gives the
// segments of the raw path too, and the raw path may be passed on as it is.
//
// The error is a *problem.Error, InvalidArgument. A path without "%" is returned
// without allocation.
func CanonicalPath(raw string) (string, error) {
	if raw == "" || raw[0] != '/' {
		return "", badPath(`must begin with "/"`)
	}
	escapes, high := 0, false
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			v, ok := unhex(raw, i)
			if !ok {
				return "", badPath(`has a "%" that two hexadecimal digits do not follow`)
			}
			if v == '/' {
				return "", badPath("has an encoded slash")
			}
			escapes, c, i = escapes+1, v, i+2
		} else if c == ' ' || c == '#' || c == '?' {
			return "", badPath("has a character that must be encoded: a space, # or ?")
		}
		if c == '\\' || c < ' ' || c == 0x7f {
			return "", badPath("has a backslash or a control character")
		}
		high = high || c >= 0x80
	}
	path := raw
	if escapes > 0 {
		path = unescape(raw, escapes)
	}
	if high && overlong(path) {
		return "", badPath("has a character in more bytes than it needs")
	}
	if err := checkSegments(path); err != nil {
		return "", err
	}
	return path, nil
}

func badPath(what string) error {
	return problem.New(problem.InvalidArgument, "the path of the request %s", what)
}

func unescape(raw string, escapes int) string {
	out := make([]byte, 0, len(raw)-2*escapes)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			c, _ = unhex(raw, i)
			i += 2
		}
		out = append(out, c)
	}
	return string(out)
}

// overlong reports whether a path has a character that is encoded in more bytes than it needs,
// which is no UTF-8 (RFC 3629, 3) and which lax decoders read all the same: C0 AF as a slash.
func overlong(path string) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case c == 0xc0 || c == 0xc1,
			c == 0xe0 && i+1 < len(path) && path[i+1] >= 0x80 && path[i+1] < 0xa0,
			c == 0xf0 && i+1 < len(path) && path[i+1] >= 0x80 && path[i+1] < 0x90:
			return true
		}
	}
	return false
}

// checkSegments refuses empty segments, the last excepted, and dot segments.
func checkSegments(path string) error {
	for rest := path[1:]; ; {
		segment, tail, more := strings.Cut(rest, "/")
		if segment == "" && more {
			return badPath("has an empty segment: //")
		}
		// Some servers take "..;x" for "..", as if a parameter of that name were there.
		name, _, _ := strings.Cut(segment, ";")
		if name == "." || name == ".." {
			return badPath("has a dot segment: /./ or /../")
		}
		if !more {
			return nil
		}
		rest = tail
	}
}

// unhex returns the byte that the escape at s[i] stands for.
func unhex(s string, i int) (byte, bool) {
	if i+2 >= len(s) {
		return 0, false
	}
	hi, ok1 := digit(s[i+1])
	lo, ok2 := digit(s[i+2])
	return hi<<4 | lo, ok1 && ok2
}

func digit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
