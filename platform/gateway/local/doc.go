// Package local is the fleet's own entrance for any program on this machine, in any
// language: it calls a service by its name, and its calls get the same instances, retries
// and bounds as those of a service that is written with Muster.
//
//	http://localhost:PORT/catalog/v1/products          the service is the first part of the path
//	http://localhost:PORT/v1/products, Host: catalog   or the host, catalog.muster too
//	http_proxy=http://localhost:PORT                   so http://catalog/v1/products works as it stands
//	gRPC to localhost:PORT, authority: catalog
//
// [Proxy] is an http.Handler for the edge's engine, over the same proxy.Gateway that
// serves clients from outside; [Listen] is its listener. It answers this machine only, and
// no browser.
package local
