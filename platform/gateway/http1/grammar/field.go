package grammar

// Field is one field line of a message (RFC 9112, 5), in the bytes that were parsed.
type Field struct {
	Name  []byte // a token, spelled as it came; never empty
	Value []byte // without white space around it; no control bytes but tabs
	Kind  Kind   // what it means to a connection
	// Hop: the field concerns this connection only (RFC 9110, 7.6.1), by its nature or as
	// a Connection field names it. It must not be passed on. Host, Content-Length and
	// Expect have no Hop, but who passes a message on writes its own.
	Hop bool
}

// Kind names the fields that mean something to whoever moves messages, so that nobody has to
// compare their names again.
type Kind uint8

// The kinds. Those from Connection to Upgrade are Hop.
const (
	Other Kind = iota
	Host
	ContentLength
	Expect
	Connection
	TransferEncoding
	KeepAlive // also Proxy-Connection
	TE
	Trailer
	ProxyAuth // Proxy-Authenticate, Proxy-Authorization, Proxy-Authentication-Info
	Upgrade   // also HTTP2-Settings
)

// Is reports whether the field has the name, which is given in lower case.
func (f *Field) Is(lower string) bool { return Fold(f.Name, lower) }

// Find returns the first field of that name, which is given in lower case; nil when there is none.
func Find(fields []Field, lower string) *Field {
	for i := range fields {
		if Fold(fields[i].Name, lower) {
			return &fields[i]
		}
	}
	return nil
}

// Fold reports whether a token is the one given in lower case, without regard to the case of
// ASCII letters. lower has letters, digits and "-" only.
func Fold(token []byte, lower string) bool {
	if len(token) != len(lower) {
		return false
	}
	for i, c := range token {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// parseField reads one line, without its CRLF.
func parseField(line []byte, to *Field) fault {
	colon := 0
	for colon < len(line) && class[line[colon]]&inToken != 0 {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return badLine(line, colon)
	}
	to.Name, to.Value = line[:colon], trim(line[colon+1:])
	if !isValue(to.Value) {
		return badByte(to.Value)
	}
	to.Kind = kind(to.Name)
	to.Hop = to.Kind >= Connection
	if to.Kind == Other && alias(to.Name) {
		return aliasName
	}
	return 0
}

// badLine says what is wrong with a line whose name ends at i.
func badLine(line []byte, i int) fault {
	switch {
	case i == len(line):
		return badName
	case line[i] == '\r':
		return bareCR
	case line[i] != ' ' && line[i] != '\t':
		return badName
	case i == 0:
		return folded
	}
	return spaceInName
}

// badByte says what is wrong with a value.
func badByte(value []byte) fault {
	for _, c := range value {
		if class[c]&inValue == 0 {
			if c == '\r' {
				return bareCR
			}
			break
		}
	}
	return badValue
}

// kind finds the kind of a name. Most names have a length that none of the known has, or
// another first letter.
func kind(name []byte) Kind {
	switch len(name) {
	case 2:
		return is(name, "te", TE)
	case 4:
		return is(name, "host", Host)
	case 6:
		return is(name, "expect", Expect)
	case 7:
		return max(is(name, "upgrade", Upgrade), is(name, "trailer", Trailer))
	case 10:
		return max(is(name, "connection", Connection), is(name, "keep-alive", KeepAlive))
	case 14:
		return max(is(name, "content-length", ContentLength), is(name, "http2-settings", Upgrade))
	case 16:
		return is(name, "proxy-connection", KeepAlive)
	case 17:
		return is(name, "transfer-encoding", TransferEncoding)
	case 18:
		return is(name, "proxy-authenticate", ProxyAuth)
	case 19:
		return is(name, "proxy-authorization", ProxyAuth)
	case 25:
		return is(name, "proxy-authentication-info", ProxyAuth)
	}
	return Other
}

func is(name []byte, lower string, k Kind) Kind {
	if name[0]|0x20 == lower[0] && Fold(name, lower) {
		return k
	}
	return Other
}

// alias reports whether a name is one of those that say where a message ends, but for "_":
// programs are known that do not tell the two apart.
func alias(name []byte) bool {
	switch len(name) {
	case len("content_length"):
		return name[7] == '_' && Fold(name[:7], "content") && Fold(name[8:], "length")
	case len("transfer_encoding"):
		return name[8] == '_' && Fold(name[:8], "transfer") && Fold(name[9:], "encoding")
	}
	return false
}
