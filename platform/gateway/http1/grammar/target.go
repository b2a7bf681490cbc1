package grammar

import (
	"bytes"
	"net/netip"
)

// root is the path of a URL that has none (RFC 9110, 4.2.3).
var root = []byte("/")

// parseTarget reads the target and its form (RFC 9112, 3.2); Host is known already.
func (r *Request) parseTarget() fault {
	target := r.Target
	connect := string(r.Method) == "CONNECT"
	switch {
	case target[0] == '/' && !connect:
		r.Form = Origin
		return r.parsePath(target)
	case connect:
		r.Form = Authority
		if i := bytes.LastIndexByte(target, ':'); i <= 0 || !isHost(target) || i == len(target)-1 || target[len(target)-1] == ']' {
			return badForm
		}
		return r.sameHost(target)
	case len(target) == 1 && target[0] == '*':
		r.Form = Asterisk
		if string(r.Method) != "OPTIONS" {
			return badForm
		}
		return 0
	}
	return r.parseAbsolute(target)
}

// parseAbsolute reads http://host/path?query (RFC 9112, 3.2.2). A proxy goes by this host and
// not by the Host field; as not all do, both must say the same.
func (r *Request) parseAbsolute(target []byte) fault {
	r.Form = Absolute
	i := bytes.IndexByte(target, ':')
	if i < 0 || !Fold(target[:i], "http") && !Fold(target[:i], "https") || !bytes.HasPrefix(target[i:], []byte("://")) {
		return badForm
	}
	authority := target[i+3:]
	path := root
	if i := bytes.IndexAny(authority, "/?"); i >= 0 {
		authority, path = authority[:i], authority[i:]
	}
	if !isHost(authority) { // which has no user and password either
		return badForm
	}
	if f := r.sameHost(authority); f != 0 {
		return f
	}
	if path[0] == '?' {
		r.Path, r.Query, r.HasQuery = root, path[1:], true
		return 0
	}
	return r.parsePath(path)
}

func (r *Request) sameHost(authority []byte) fault {
	if r.Host == nil { // HTTP/1.0
		r.Host = authority
		return 0
	}
	if !bytes.EqualFold(authority, r.Host) {
		return otherHost
	}
	return 0
}

// parsePath splits a path from its query. What is no percent-encoding is refused in the path;
// a query is the business of who reads it.
func (r *Request) parsePath(target []byte) fault {
	r.Path = target
	for i := 0; i < len(target); i++ {
		switch target[i] {
		case '?':
			r.Path, r.Query, r.HasQuery = target[:i], target[i+1:], true
			return 0
		case '%':
			if i+2 >= len(target) || class[target[i+1]]&class[target[i+2]]&inHex == 0 {
				return badTarget
			}
			i += 2
		}
	}
	return 0
}

// isHost reports whether b is a name or an address, with or without a port (RFC 9110, 7.2).
// Percent-encodings and the other characters of RFC 3986's reg-name are in no name of the DNS.
func isHost(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	end := bytes.IndexByte(b, ':')
	if b[0] == '[' {
		end = bytes.IndexByte(b, ']')
		if end < 0 {
			return false
		}
		if ip, err := netip.ParseAddr(string(b[1:end])); err != nil || !ip.Is6() || ip.Zone() != "" {
			return false
		}
		end++
	} else {
		if end < 0 {
			end = len(b)
		}
		if end == 0 || !all(b[:end], inHost) {
			return false
		}
	}
	return end == len(b) || isPort(b[end:])
}

func isPort(b []byte) bool {
	if b[0] != ':' || len(b) < 2 || len(b) > 6 {
		return false
	}
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
