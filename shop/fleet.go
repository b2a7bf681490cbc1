// Package shop is the reference application: see muster.yaml for its services, and
// the folder of each.
package shop

import _ "embed"

// Fleet is the shop's muster.yaml.
//
//go:embed muster.yaml
var Fleet []byte
