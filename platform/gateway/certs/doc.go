// Package certs is the edge's TLS: which certificate a client is shown, where it comes from,
// and whom the edge asks for one.
//
// There are three sources, and an edge may have all of them: files that somebody else renews,
// an ACME authority such as Let's Encrypt, and an authority of the edge's own for development.
// A [Keeper] holds them, follows the files, renews what is its own, and gives a *tls.Config
// that every engine can serve.
package certs
