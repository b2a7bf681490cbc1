package main

import (
	"github.com/musterdev/muster/platform/fleet"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
)

// schemaCmd prints the JSON Schema of muster.yaml.
type schemaCmd struct{}

func (*schemaCmd) Run(t terminal.Terminal) error {
	_, err := t.Out.Write(fleet.Schema())
	return err
}
