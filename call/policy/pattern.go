package policy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/musterdev/muster/problem"
)

// methods are those that a route may name: what RFC 9110, 5789 and 4918 know, and QUERY.
func methods() []string {
	return []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodTrace, http.MethodConnect, "QUERY", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH",
	}
}

// checkPattern refuses a pattern that is none, or that no call could ever match.
func checkPattern(pattern string) error {
	method, path, named := strings.Cut(pattern, " ")
	switch at := strings.IndexByte(pattern, '/'); {
	case at < 0 || at > 0 && pattern[at-1] != ' ' && pattern[at-1] != '\t':
		return fmt.Errorf("%q is no route: write a path, or a method and a path, such as \"GET /v1/products/{id}\"", pattern)
	case !named:
		method, path = "", pattern
	case strings.ToUpper(method) != method && slices.Contains(methods(), strings.ToUpper(method)):
		return fmt.Errorf("%q matches no call: methods are written in capitals; write %q", pattern, strings.ToUpper(method)+" "+strings.TrimSpace(path))
	case strings.HasPrefix(pattern, "/"): // a path with a space
		method, path = "", pattern
	case !slices.Contains(methods(), method):
		return fmt.Errorf("%q matches no call: there is no method %q%s", pattern, method, meant(method))
	}
	if strings.ContainsAny(path, " \t\r\n") {
		return fmt.Errorf("%q matches no call: one space stands between method and path, and none in a path", pattern)
	}
	if at := strings.IndexAny(path, "?#"); at >= 0 {
		return fmt.Errorf("%q matches no call: a route goes by the path alone; write %q", pattern, strings.TrimSpace(method+" "+path[:at]))
	}
	return nil
}

func meant(method string) string {
	if near := problem.Nearest(strings.ToUpper(method), methods()); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// unanswered returns why nothing can stand in for the answers of a route's calls, "" when
// something can: they change something, or are gRPC's.
func unanswered(pattern string) string {
	method, path, named := strings.Cut(pattern, " ")
	if !named {
		method, path = "", pattern
	}
	service, rpc, two := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	last := service[strings.LastIndexByte(service, '.')+1:]
	switch {
	case method != "" && method != http.MethodGet:
		return "does nothing with the method " + method + ": only the answers to GET are given again; leave it out"
	case method == "" && two && capital(last) && capital(rpc) && !strings.Contains(rpc, "/"):
		return "does nothing for a gRPC method: only the answers to GET are given again; leave it out"
	}
	return ""
}

// capital reports whether a word begins as a message, a service or a method of protobuf does.
func capital(word string) bool { return word != "" && word[0] >= 'A' && word[0] <= 'Z' }

// headerName reports whether a text can be the name of a header (RFC 9110, 5.6.2).
func headerName(name string) bool {
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return name != ""
}

// newMatcher has the patterns of a mux, which knows which of two is the more specific.
func newMatcher(patterns []string) (*http.ServeMux, error) {
	mux := http.NewServeMux()
	for i, p := range patterns {
		err := checkPattern(p)
		if err == nil && register(mux, p) != nil {
			err = clash(p, patterns[:i])
		}
		if err != nil {
			return nil, err
		}
	}
	return mux, nil
}

// register returns what the mux says against a pattern.
func register(mux *http.ServeMux, pattern string) (err error) {
	defer func() {
		if p := recover(); p != nil { // how http.ServeMux refuses a pattern
			err = fmt.Errorf("%v", p)
		}
	}()
	mux.Handle(pattern, http.NotFoundHandler())
	return nil
}

// clash says what is wrong with a pattern that was refused: it is none by itself, or there
// are calls that match it and one of the others, and neither is the more specific. The
// mux's own words name a place in its program.
func clash(pattern string, others []string) error {
	if err := register(http.NewServeMux(), pattern); err != nil {
		return fmt.Errorf("%q is no route: %s", pattern, strings.TrimPrefix(err.Error(), fmt.Sprintf("parsing %q: ", pattern)))
	}
	for _, other := range others {
		mux := http.NewServeMux()
		if register(mux, other) == nil && register(mux, pattern) != nil {
			return fmt.Errorf("%q conflicts with %q: there are calls that match both, and neither is the more specific; let one name all that the other does", pattern, other)
		}
	}
	return fmt.Errorf("%q is no route", pattern)
}
