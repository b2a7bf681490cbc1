//go:build !linux

package fault

import "net"

// hold finds a free port. It cannot be kept without a listener here: while dials are
// refused somebody else may take it, which the proxy's Set then says.
func hold(addr string) (free func(), bound string, err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, "", err
	}
	return func() {}, l.Addr().String(), l.Close()
}
