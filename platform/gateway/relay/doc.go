// Package relay passes requests of the edge's own HTTP/1.1 engine on to instances: what package
// proxy decides, carried out between a client's connection (package http1) and an instance's
// (package upstream), on one goroutine. Only a body that does not come with its head is sent
// by a second one, as an instance may answer before it has all of it.
package relay
