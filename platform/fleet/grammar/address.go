package grammar

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/fleet/expand"
)

// Engines are the words for the engine of a database, sorted.
var Engines = []string{"mysql", "postgres", "sqlite"}

// Database accepts the word for an engine, or a URL that begins with one of
// sqlite:, postgres://, postgresql:// and mysql:// and may hold references.
func Database(s string) (engine, url string, err error) {
	if slices.Contains(Engines, s) {
		return s, "", nil
	}
	for _, one := range [][2]string{
		{"sqlite:", "sqlite"}, {"postgres://", "postgres"}, {"postgresql://", "postgres"}, {"mysql://", "mysql"},
	} {
		if rest, ok := strings.CutPrefix(s, one[0]); ok && rest != "" && !strings.ContainsAny(s, " \t\n") {
			return one[1], s, nil
		}
	}
	return "", "", errors.New("sqlite, postgres, mysql, or a URL that begins with sqlite:, postgres:// or mysql://")
}

// URL returns what accepts a URL of one of the schemes; it may hold references.
func URL(schemes ...string) func(string) (string, error) {
	want := "a URL that begins with " + strings.Join(schemes, ":// or ") + "://"
	return func(s string) (string, error) {
		scheme, rest, ok := strings.Cut(s, "://")
		if !ok || !slices.Contains(schemes, scheme) || rest == "" || strings.ContainsAny(s, " \t\n") {
			return "", fmt.Errorf("%q is not %s; write it with its scheme, such as \"%s://host:4222\"", Short(s), want, schemes[0])
		}
		if u, err := url.Parse(s); !strings.Contains(s, "${") && (err != nil || u.Host == "") {
			return "", fmt.Errorf("%q is no URL; write one such as \"%s://host:4222\"", Short(s), scheme)
		}
		return s, nil
	}
}

// Attributes are what a reference may ask of a service, sorted:
// ${services.NAME.url} and so on.
var Attributes = []string{"grpc", "host", "port", "url"}

// References checks the references of a text and returns the names of the services
// to which they refer.
func References(s string) (services []string, err error) {
	t, err := expand.Parse(s)
	if err != nil {
		return nil, err
	}
	for _, ref := range t.References() {
		if !strings.Contains(ref.Name, ".") {
			continue
		}
		name, attribute, ok := ServiceReference(ref.Name)
		if !ok {
			return nil, fmt.Errorf("${%s} is not known; write ${services.NAME.url}, or host, port or grpc instead of url", Short(ref.Name))
		}
		if !slices.Contains(Attributes, attribute) {
			return nil, fmt.Errorf("${%s} asks for what a service has not; write url, host, port or grpc for %q", Short(ref.Name), Short(attribute))
		}
		services = append(services, name)
	}
	return services, nil
}

// ServiceReference splits "services.NAME.attribute".
func ServiceReference(s string) (service, attribute string, ok bool) {
	words := strings.Split(s, ".")
	if len(words) != 3 || words[0] != "services" {
		return "", "", false
	}
	return words[1], words[2], true
}
