//go:build !linux && !darwin

package broker

import "errors"

// freeBytes is not known here: the NATS server chooses its limit by itself.
func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }
