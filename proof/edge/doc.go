// Package edge holds the edge to what others say an HTTP server and a proxy must do: the
// suites of HTTP/2, gRPC and WebSocket, with the projects' own clients and servers on both
// sides of it. There is nothing to import here.
package edge
