package header

import (
	"net/http"
	"strings"
)

// GRPC reports whether a request is a gRPC call. gRPC-Web is not: it is HTTP.
func GRPC(r *http.Request) bool {
	if r.ProtoMajor != 2 {
		return false
	}
	rest, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}
