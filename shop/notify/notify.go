// Package notify holds the shop's service in another language: server.js, a program
// for Node 18 or newer without any package. Muster runs it as it runs the others, and
// posts it the events orders.confirmed and orders.failed over HTTP; it sends one mail
// for each, a file MAIL_DIR/<order>.<state>.json.
package notify

import _ "embed"

// Program is server.js, for whoever runs it from a binary alone.
//
//go:embed server.js
var Program []byte
