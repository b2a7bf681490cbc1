package main

import (
	"os"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/local"
)

// fleetFlags are shared by the verbs that read muster.yaml.
type fleetFlags struct {
	File        string `short:"f" default:"muster.yaml" placeholder:"FILE" help:"The fleet's file."`
	Environment string `short:"e" placeholder:"NAME" help:"The environment laid over it."`
}

func (f fleetFlags) load() (*fleet.Fleet, error) {
	declared, err := fleet.Load(f.File, fleet.Options{Environment: f.Environment, Env: os.LookupEnv})
	if err != nil {
		return nil, err
	}
	if err := local.CheckEdge(declared); err != nil {
		return nil, err
	}
	return declared, nil
}
