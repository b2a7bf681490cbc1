package preflight

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/strictyaml"
)

// Files returns an error at its place for each file that the services are to be
// told of and that is not there.
func Files(f *fleet.Fleet) error {
	var errs strictyaml.Collector
	for _, s := range f.Services {
		check := func(key, what, file string) {
			if why := unreadable(file); why != "" {
				errs.Add(s.Place(key).Errorf("the %s of service %s %s: %s; create it, or correct the path", what, s.Name, why, file))
			}
		}
		if s.Config != "" {
			check("config", "configuration file", s.Config)
		}
		for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
			check("secrets."+name, "secret "+name, s.Secrets[name])
		}
	}
	return errs.Err()
}

// unreadable says why a file cannot be read; "" when it can.
func unreadable(file string) string {
	f, err := os.Open(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "does not exist"
	case err != nil:
		return fmt.Sprintf("cannot be read (%v)", errors.Unwrap(err))
	}
	defer func() { _ = f.Close() }() // nothing was written
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return "is a folder"
	}
	return ""
}

// Broker reports whether the platform's broker runs for a fleet: one that deals in
// events, and whose outside broker, if it has one, it can speak to.
func Broker(f *fleet.Fleet) bool { return f.Events() && (f.Bus == "" || speaksNATS(f.Bus)) }

func speaksNATS(url string) bool {
	return strings.HasPrefix(url, "nats://") || strings.HasPrefix(url, "tls://")
}

// Undelivered names the services to which nobody posts events, as the outside broker
// is of another kind; "" when there are none.
func Undelivered(f *fleet.Fleet) string {
	var names []string
	for _, s := range f.Services {
		if len(s.On) > 0 {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 || Broker(f) {
		return ""
	}
	kind, _, _ := strings.Cut(f.Bus, ":")
	return fmt.Sprintf("events are posted from NATS only and bus: is a %s: URL, so that on: of %s has no effect", kind, strings.Join(names, ", "))
}
