// Package mtls is the one seam from which every listener and every dial of a
// service takes its transport security. Certificates and the rule of who may call
// whom come with a later chapter; until then [Plain] is what everybody gets, so
// that nothing has to be rebuilt when they arrive.
package mtls

import "crypto/tls"

// Source gives the TLS configuration of listeners and dials. It is safe for
// concurrent use; a configuration it returns must not be changed.
type Source interface {
	// Server returns the configuration of a listener; nil means plain text.
	Server() *tls.Config
	// Client returns the configuration for calls to service; nil means plain text.
	Client(service string) *tls.Config
}

// Plain is the Source of a fleet without certificates: plain text everywhere.
type Plain struct{}

// Server returns nil: plain text.
func (Plain) Server() *tls.Config { return nil }

// Client returns nil: plain text.
func (Plain) Client(string) *tls.Config { return nil }
