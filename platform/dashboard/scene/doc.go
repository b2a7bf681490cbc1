// Package scene has the tests that look at the dashboard in a real browser. What they
// look at is a shop at a fixed moment: its spans, log records and figures come from a
// seed, its telemetry is answered by the real query handlers. To look at it yourself:
//
//	cd platform && go test ./dashboard/scene -run '^TestServe$' -serve 127.0.0.1:8099 -timeout 0
package scene
