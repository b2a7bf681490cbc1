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

// Undelivered names the services whose events nobody delivers yet; "" when there are
// none.
func Undelivered(f *fleet.Fleet) string {
	var names []string
	for _, s := range f.Services {
		if len(s.Publishes) > 0 || len(s.On) > 0 {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("events are not delivered yet, as the broker comes with the next chapter: publishes and on of %s have no effect", strings.Join(names, ", "))
}
