// Package gateway is the edge as a process: it listens, follows the registry, passes
// requests to the services its routes name, and is told by a Unix socket what to do.
//
// Its rooms, each usable alone: route decides, proxy passes on, nethttp is the engine
// that reads and writes, accesslog writes lines, drain hides instances that end,
// admin is the socket's protocol with its client.
package gateway
