package muster

import (
	"strings"

	"github.com/musterdev/muster/strictyaml"
)

// maxConfig bounds a service's configuration file, in bytes.
const maxConfig = 1 << 20

// Config fills dst, a pointer to a struct that holds the defaults, from the YAML file
// that MUSTER_CONFIG names, if it names one, and then from the environment, which
// wins: the field with the key limits.max_lines of the service cart is
// CART_LIMITS_MAX_LINES. Keys are fields' yaml tags, else their names in lower case.
// An unknown key or a value of another type is an error that names file, line and the
// nearest known key, and satisfies errors.Is(err, ErrConfig). When dst has a method
// Validate() error, it has the last word.
func (a *App) Config(dst any) error {
	if err := a.configFile(dst); err != nil {
		return err
	}
	leaves, err := strictyaml.Leaves(dst)
	if err != nil {
		return configErrorf("%v", err)
	}
	for _, leaf := range leaves {
		name := variable(append([]string{a.Name()}, leaf.Path...)...)
		if v, ok := a.options.lookup(name); ok {
			if err := leaf.Set(v); err != nil {
				return configErrorf("%s is %q: %v", name, v, err)
			}
		}
	}
	if v, ok := dst.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return configErrorf("the configuration of %q: %v", a.Name(), err)
		}
	}
	return nil
}

func (a *App) configFile(dst any) error {
	file := a.settings.ConfigFile
	if file == "" {
		return nil
	}
	data, err := strictyaml.ReadFile(file, maxConfig)
	if err != nil {
		return configErrorf("%s: %v", file, err)
	}
	var errs strictyaml.Collector
	if root := strictyaml.Parse(file, data, &errs); root != nil {
		if err := root.Decode("the configuration of "+a.Name(), dst); err != nil {
			return configErrorf("%v", err)
		}
	}
	if err := errs.Err(); err != nil {
		return configErrorf("%v", err)
	}
	return nil
}

// variable returns the name of an environment variable made of words.
func variable(words ...string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(strings.Join(words, "_")))
}
