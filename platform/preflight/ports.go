package preflight

import (
	"errors"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/plan"
	"github.com/musterdev/muster/platform/supervise/ports"
)

// What chooses another port of the engines.
const (
	EdgeSetting    = "MUSTER_EDGE_PORT or edge.port in muster.yaml"
	ControlSetting = "MUSTER_CONTROL_PORT or control.port in muster.yaml"
	BrokerSetting  = "MUSTER_BROKER_PORT or broker.port in muster.yaml"
	EventsSetting  = "MUSTER_BROKER_HTTP_PORT or broker.http in muster.yaml"
)

// ChoosePorts gives the engines that may listen anywhere a free port.
func ChoosePorts(f *fleet.Fleet) error {
	pool := ports.NewPool()
	choose := []*int{&f.Edge.Port, &f.Control.Port, &f.Broker.Port, &f.Broker.HTTP}
	if f.Edge.TLS != nil {
		choose = append(choose, &f.Edge.TLS.Port)
	}
	for _, port := range choose {
		if *port != 0 {
			continue
		}
		var err error
		if *port, err = pool.Take(); err != nil {
			return err
		}
	}
	return nil
}

// Ports returns an error for each fixed port that is taken.
func Ports(f *fleet.Fleet) error {
	var taken []error
	for _, p := range fixedPorts(f) {
		taken = append(taken, ports.Check(p))
	}
	return errors.Join(taken...)
}

// fixedPorts are those of the engines and those that muster.yaml says of services.
func fixedPorts(f *fleet.Fleet) []ports.Fixed {
	fixed := []ports.Fixed{
		{Port: f.Edge.Port, Who: "edge", Setting: EdgeSetting}, {Port: f.Control.Port, Who: "control", Setting: ControlSetting},
	}
	if f.Edge.TLS != nil {
		fixed = append(fixed, ports.Fixed{Port: f.Edge.TLS.Port, Who: "TLS of the edge", Setting: "edge.tls in muster.yaml"})
	}
	if f.Edge.Local != 0 {
		fixed = append(fixed, ports.Fixed{Port: f.Edge.Local, Who: "calls by name", Setting: "edge.local in muster.yaml"})
	}
	for _, p := range f.Edge.TCP {
		fixed = append(fixed, ports.Fixed{Port: p.Port, Who: "connections", Setting: "edge.tcp in muster.yaml"})
	}
	if f.Control.DNS != 0 {
		fixed = append(fixed, ports.Fixed{Port: f.Control.DNS, Who: "DNS", Setting: "control.dns in muster.yaml"})
	}
	if Broker(f) {
		fixed = append(fixed, ports.Fixed{Port: f.Broker.HTTP, Who: "events over HTTP", Setting: EventsSetting})
		if f.Bus == "" {
			fixed = append(fixed, ports.Fixed{Port: f.Broker.Port, Who: "broker", Setting: BrokerSetting})
		}
	}
	return append(fixed, plan.Ports(f)...)
}
