//go:build !unix

package handover

import "net"

func give(*net.UnixConn, []Named) error { return ErrUnsupported }

func take(*net.UnixConn) (map[string]net.Listener, error) { return nil, ErrUnsupported }
