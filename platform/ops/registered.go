package ops

import (
	"cmp"
	"slices"

	"github.com/musterdev/muster/call/discovery"
)

// Registered finds the instances through what the registry knows. brokerName is the
// service that is the platform's broker, "" where there is none. A service that has no
// instance is not known to it.
func Registered(c discovery.Catalog, brokerName string) *Fleet {
	f := &Fleet{}
	for name, instances := range c.Services {
		one := Service{Name: name}
		for _, i := range instances {
			if at := i.Endpoints[discovery.HTTP]; at != "" && i.State == discovery.Ready {
				one.URLs = append(one.URLs, "http://"+at)
			}
		}
		switch {
		case len(instances) == 0:
		case slices.ContainsFunc(instances, func(i discovery.Instance) bool { return i.Endpoints[discovery.TCP] != "" }): // nothing to ask
		case name != brokerName:
			f.Services = append(f.Services, one)
		case len(one.URLs) > 0:
			f.Broker = one.URLs[0]
		}
	}
	slices.SortFunc(f.Services, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	return f
}
