package gateway

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/filter"
)

// checkInstances finds what is wrong with the instances of an edge without a fleet.
func (c Config) checkInstances() error {
	for service, list := range c.Instances {
		if !discovery.ValidName(service) {
			return fmt.Errorf("instances: %q is not the name of a service: a-z, 0-9 and '-', at most 63, beginning with a letter", service)
		}
		if len(list) == 0 {
			return fmt.Errorf("instances.%s: there are none, so that it would never answer; name one, or leave the service out", service)
		}
		for i, addr := range list {
			_, port, err := net.SplitHostPort(addr)
			if n, notNumber := strconv.ParseUint(port, 10, 16); err != nil || notNumber != nil || n == 0 {
				return fmt.Errorf("instances.%s[%d]: %q is not host:port, with a port from 1 to 65535", service, i, addr)
			}
		}
	}
	return c.checkTargets()
}

// checkTargets finds ports of connections that lead to no service there is.
func (c Config) checkTargets() error {
	callable := c.callable()
	if callable == nil {
		return nil
	}
	for _, at := range slices.Sorted(maps.Keys(c.TCP)) {
		routes := c.TCP[at]
		if service := routes.Default.Service; service != "" {
			if err := callable(service, discovery.TCP); err != nil {
				return fmt.Errorf("tcp.%s.default: %w", at, err)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(routes.Names)) {
			if err := callable(routes.Names[name].Service, discovery.TCP); err != nil {
				return fmt.Errorf("tcp.%s.names.%s: %w", at, name, err)
			}
		}
	}
	return nil
}

// callable knows the services of an edge without a fleet: no other will ever come. It is nil
// for one that asks who comes.
func (c Config) callable() func(service, endpoint string) error {
	if c.Resolver != nil || len(c.Instances) == 0 {
		return nil
	}
	return filter.Among(slices.Collect(maps.Keys(c.Instances)))
}

// fixed is the resolver of an edge without a fleet.
func fixed(instances map[string][]string) discovery.Resolver {
	services := map[string][]discovery.Instance{}
	for service, list := range instances {
		for _, addr := range list {
			services[service] = append(services[service], discovery.Instance{
				ID: addr, Endpoints: map[string]string{discovery.HTTP: addr, discovery.GRPC: addr},
			})
		}
	}
	return discovery.Fixed(services)
}
