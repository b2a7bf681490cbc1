package filter

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register registers a filter's metric, and returns the one to use: that which a filter of
// the same name had before it, where there was one, so that counts go on over a change of
// the filter. With a nil to, c is kept nowhere.
func Register[C prometheus.Collector](to prometheus.Registerer, c C) (C, error) {
	if to == nil {
		return c, nil
	}
	err := to.Register(c)
	if known, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if before, ok := known.ExistingCollector.(C); ok {
			return before, nil
		}
	}
	return c, err
}
