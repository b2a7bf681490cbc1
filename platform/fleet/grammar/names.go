// Package grammar knows how the single values of a muster.yaml are written:
// names, topics, routes, commands, URLs and references. All its functions are pure
// and take a text; an error is what a user is to be told about it, on one line and
// without the place.
package grammar

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/problem"
)

var (
	label    = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)
	word     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	urlPath  = regexp.MustCompile(`^/[A-Za-z0-9._~!$&'()*+,;=:@/-]*$`)
)

// Label accepts a DNS label of at most 40 characters, the name of a service, a
// fleet, an owner or an environment.
func Label(s string) (string, error) {
	if !label.MatchString(s) {
		return "", fmt.Errorf("%q is no name; use 1 to 40 lower-case letters, digits and \"-\", beginning with a letter and not ending in \"-\"", Short(s))
	}
	return s, nil
}

// Word accepts a version or a zone.
func Word(s string) (string, error) {
	if !word.MatchString(s) {
		return "", fmt.Errorf("%q is not allowed here; use up to 63 letters, digits, \".\", \"_\" and \"-\", beginning with a letter or a digit", Short(s))
	}
	return s, nil
}

// Variable accepts the name of a process variable.
func Variable(s string) (string, error) {
	if !variable.MatchString(s) {
		return "", fmt.Errorf("%q is no name for a variable; use letters, digits and \"_\", not beginning with a digit", Short(s))
	}
	return s, nil
}

// Topic accepts the name of a topic, such as "orders.placed", as the bus does.
func Topic(s string) (string, error) { return s, onTheBus(bus.ValidTopic(s)) }

// TopicPattern accepts a topic of which any word but the first may be "*".
func TopicPattern(s string) (string, error) { return s, onTheBus(bus.ValidPattern(s)) }

// Together accepts topics and patterns, each of them good, that one service may
// subscribe to: the bus refuses two patterns that stand for the same topics in part.
func Together(topics []string) error {
	if !slices.ContainsFunc(topics, func(t string) bool { return strings.Contains(t, "*") }) {
		return nil
	}
	_, err := bus.Subscription{Group: "any", Topics: topics}.Normalized()
	if p, ok := errors.AsType[*problem.Error](err); ok && len(p.Details) > 0 {
		return errors.New(p.Details[0].Reason)
	}
	return err
}

// onTheBus is what the bus has against a name, as a line of muster.yaml says it.
func onTheBus(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.TrimPrefix(err.Error(), "bus: "))
}

// Post accepts "POST /events" and returns the path.
func Post(s string) (string, error) {
	method, target, _ := strings.Cut(s, " ")
	if method != "POST" || !cleanPath(target) {
		return "", fmt.Errorf("%q does not say where events are posted; write \"POST /events\"", Short(s))
	}
	return target, nil
}

// Path accepts the path of a probe.
func Path(s string) (string, error) {
	if !cleanPath(s) {
		return "", fmt.Errorf("%q is no path; write one such as \"/readyz\"", Short(s))
	}
	return s, nil
}

// cleanPath reports whether s is an absolute path in its one form.
func cleanPath(s string) bool { return urlPath.MatchString(s) && path.Clean(s) == s }

// Glob accepts a pattern of paths below a folder, in which "**" crosses folders.
func Glob(s string) (string, error) {
	if _, err := path.Match(s, ""); err != nil || s == "" || path.IsAbs(s) {
		return "", fmt.Errorf("%q is no glob below the service's folder; write one such as \"**/*.js\"", Short(s))
	}
	return s, nil
}

// File accepts the path of a file or folder.
func File(s string) (string, error) {
	if s == "" {
		return "", errors.New("the path is empty; name a file")
	}
	return s, nil
}

// Short bounds a text that is quoted in a message.
func Short(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// ServerName accepts a DNS name in lower case that TLS clients ask for, or "*." and one,
// which stands for all names that have one label more.
func ServerName(s string) (string, error) {
	name := strings.TrimPrefix(s, "*.")
	lower := strings.ToLower(name)
	switch {
	case len(lower) > 253 || !host.MatchString(lower):
		return "", fmt.Errorf("%q is no DNS name; write one such as \"db.example.com\", or \"*.example.com\" for all below it", Short(s))
	case lower != name:
		return "", fmt.Errorf("%q is not canonical; write %q", Short(s), Short(strings.ToLower(s)))
	case strings.Trim(name[strings.LastIndexByte(name, '.')+1:], "0123456789") == "": // what tells an address from a name
		return "", fmt.Errorf("%q is an address, and TLS clients ask for names only (RFC 6066); write one such as \"db.example.com\", or \"to\" for all others", Short(s))
	}
	return s, nil
}
