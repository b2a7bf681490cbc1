package relay

import (
	"errors"
	"net/http"
)

// brokenOff ends a request whose filter panicked, which the engine logs and ends the connection for.
func (s *session) brokenOff() {
	if s.under {
		s.x.Status, s.x.Broken, s.x.Err = http.StatusInternalServerError, true, errPanic
		s.end()
	}
}

var errPanic = errors.New("a filter panicked")
