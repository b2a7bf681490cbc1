package fault

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// hold binds a port and keeps it without listening, so that a proxy that refuses does
// not lose it: the kernel answers a dial there by RST, which is a refusal, and lets a
// listener join, as both sockets reuse the address.
func hold(addr string) (free func(), bound string, err error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, "", fmt.Errorf("address %q: %w", addr, err)
	}
	domain := syscall.AF_INET
	var at syscall.Sockaddr
	ip, _ := netip.AddrFromSlice(tcp.IP)
	switch ip = ip.Unmap(); {
	case ip.Is4():
		at = &syscall.SockaddrInet4{Port: tcp.Port, Addr: ip.As4()}
	case ip.Is6():
		domain, at = syscall.AF_INET6, &syscall.SockaddrInet6{Port: tcp.Port, Addr: ip.As16()}
	default:
		return nil, "", fmt.Errorf("address %q: name the host to listen at, such as 127.0.0.1", addr)
	}
	fd, err := syscall.Socket(domain, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, "", fmt.Errorf("socket: %w", err)
	}
	free = func() { _ = syscall.Close(fd) } // it never carried anything
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		free()
		return nil, "", fmt.Errorf("socket: %w", err)
	}
	if err := syscall.Bind(fd, at); err != nil {
		free()
		return nil, "", fmt.Errorf("bind %s: %w", addr, err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		free()
		return nil, "", fmt.Errorf("bind %s: %w", addr, err)
	}
	switch name := name.(type) {
	case *syscall.SockaddrInet4:
		tcp.Port = name.Port
	case *syscall.SockaddrInet6:
		tcp.Port = name.Port
	}
	return free, tcp.String(), nil
}
