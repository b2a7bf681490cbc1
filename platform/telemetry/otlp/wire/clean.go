package wire

import (
	"bytes"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Clean returns the request with every byte that is no UTF-8 in its texts replaced by
// U+FFFD, for those that refuse the whole of it for one such byte, as protobuf's
// libraries do. What is malformed stays so. body is not changed.
func Clean(body []byte, message protoreflect.MessageDescriptor) []byte {
	return clean(make([]byte, 0, len(body)+64), body, message, 0)
}

func clean(to, body []byte, message protoreflect.MessageDescriptor, depth int) []byte {
	for len(body) > 0 {
		num, typ, n := protowire.ConsumeTag(body)
		if n < 0 {
			return append(to, body...)
		}
		size := protowire.ConsumeFieldValue(num, typ, body[n:])
		if size < 0 {
			return append(to, body...)
		}
		field := message.Fields().ByNumber(num)
		if typ != protowire.BytesType || field == nil || depth > 200 {
			to = append(to, body[:n+size]...)
			body = body[n+size:]
			continue
		}
		value, _ := protowire.ConsumeBytes(body[n:])
		switch field.Kind() {
		case protoreflect.StringKind:
			if !utf8.Valid(value) {
				value = bytes.ToValidUTF8(value, []byte("\uFFFD"))
			}
		case protoreflect.MessageKind:
			value = clean(nil, value, field.Message(), depth+1)
		default:
		}
		to = append(to, body[:n]...)
		to = protowire.AppendBytes(to, value)
		body = body[n+size:]
	}
	return to
}
