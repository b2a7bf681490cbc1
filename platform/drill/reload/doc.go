// Package reload changes what the edge does a thousand times a minute, and puts another
// process in its place, under load and with thousands of streams open. Nobody may notice:
// no request fails, no stream ends, nothing grows.
package reload
