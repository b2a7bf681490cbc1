// Package address reads the URLs of NATS servers.
package address

import (
	"fmt"
	neturl "net/url"
	"strconv"
	"strings"
)

// Target is what a URL says.
type Target struct {
	Servers  string // for the client library
	Shown    string // without credentials
	Replicas int    // of what is made new, in a cluster; 1 when it is not said
}

// Parse reads the URL of one server, or of several of a cluster, separated by commas, with
// ?replicas=3 at its end or without. An error has no password in it.
func Parse(url string) (Target, error) {
	servers, query, _ := strings.Cut(url, "?")
	t := Target{Servers: servers, Replicas: 1}
	var shown []string
	for server := range strings.SplitSeq(servers, ",") {
		u, err := neturl.Parse(server)
		if err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
			return t, fmt.Errorf("nats: the URL %q is none of a NATS server: write nats://HOST:PORT", redacted(server))
		}
		shown = append(shown, u.Host)
	}
	t.Shown = strings.Join(shown, ",")
	values, err := neturl.ParseQuery(query)
	if err != nil {
		return t, fmt.Errorf("nats: the URL's parameters %q cannot be read: %w", query, err)
	}
	for name := range values {
		n, err := strconv.Atoi(values.Get(name))
		if name != "replicas" || err != nil || n < 1 || n > 5 {
			return t, fmt.Errorf("nats: the URL's parameter %s=%s is not known: there is replicas, from 1 to 5", name, values.Get(name))
		}
		t.Replicas = n
	}
	return t, nil
}

// redacted cuts the credentials off a URL that may not even be one.
func redacted(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return "…"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "…" + rest[at:]
	}
	return scheme + "://" + rest
}
