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
)

// ChoosePorts gives the engines that may listen anywhere a free port.
func ChoosePorts(f *fleet.Fleet) error {
	pool := ports.NewPool()
	for _, e := range []*fleet.Engine{&f.Edge, &f.Control} {
		if e.Port != 0 {
			continue
		}
		var err error
		if e.Port, err = pool.Take(); err != nil {
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
	return append([]ports.Fixed{
		{Port: f.Edge.Port, Who: "edge", Setting: EdgeSetting}, {Port: f.Control.Port, Who: "control", Setting: ControlSetting},
	}, plan.Ports(f)...)
}
