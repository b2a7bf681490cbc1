package main

import "github.com/musterdev/muster/platform/fleet"

// schemaCmd prints the JSON Schema of muster.yaml.
type schemaCmd struct{}

func (*schemaCmd) Run(t terminal) error {
	_, err := t.out.Write(fleet.Schema())
	return err
}
