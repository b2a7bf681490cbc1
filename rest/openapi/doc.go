// Package openapi is the part of OpenAPI 3.1 that package rest emits: the document
// as Go values, JSON Schema made of Go types, and the check of a JSON text against
// such a schema. Documentation and check are the same [Schema], so that they cannot
// come to differ.
//
// Sources: OpenAPI Specification 3.1.1, JSON Schema 2020-12.
package openapi
