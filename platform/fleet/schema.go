package fleet

import _ "embed" // of the schema

//go:embed schema.json
var schema string

// Schema returns the JSON Schema (2020-12) of a muster.yaml, for editors and other
// tools. What only the whole fleet can tell, such as an unknown service, is left
// to Load.
func Schema() []byte { return []byte(schema) }
