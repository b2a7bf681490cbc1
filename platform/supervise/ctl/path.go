// Package ctl is the control socket of a running fleet: HTTP over a Unix socket in
// the fleet's folder, which only the user who started it may open. The commands ps,
// logs, scale, down and env speak to it, and so may any program: curl can.
//
//	GET  /v1/status                              what runs
//	GET  /v1/logs?service=S&tail=N&follow=true   lines, one JSON object each
//	GET  /v1/env?service=S                       variables of a service, for a debugger
//	POST /v1/scale    {"service":"S","replicas":N}
//	POST /v1/replace  {"service":"S"} or {"instance":"S-1"}
//	POST /v1/kill     {"instance":"S-1"}, and "for":"20s" to keep it away so long
//	POST /v1/down
//
// An answer to an order comes when it has been carried out. Errors are RFC 9457
// problems; meta.output holds what a program that failed had printed.
package ctl

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"github.com/musterdev/muster/platform/supervise"
)

// maxPath is how long the name of a Unix socket may be: 104 bytes with the final
// zero on macOS, 108 on Linux.
const maxPath = 103

// Path returns the name of the control socket of the fleet whose folder .muster is
// in dir; see Socket.
func Path(dir string) string { return Socket(dir, "muster.sock") }

// Socket returns the path of a socket of that name, such as "edge.sock", of the fleet
// whose folder .muster is in dir: it is in that folder. Where the path is too long for
// the system it is one in the temporary folder, made from a digest of it.
func Socket(dir, name string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	path := filepath.Join(dir, supervise.Folder, name)
	if len(path) <= maxPath {
		return path
	}
	digest := sha256.Sum256([]byte(path))
	return filepath.Join(os.TempDir(), "muster-"+hex.EncodeToString(digest[:8])+".sock")
}
