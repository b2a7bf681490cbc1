// Package terminal is where the verbs of muster read and write, and how they say that they
// were called in a wrong way.
package terminal

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/musterdev/muster/platform/cmd/muster/see"
)

// Terminal is the three streams of one call.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
}

// Live reports whether standard error is a screen that somebody looks at.
func (t Terminal) Live() bool {
	o, ok := t.Err.(*Outlet)
	if !ok {
		return false
	}
	f, _ := o.To.(*os.File) // nil: something else
	return see.NewScreen(t.Err, f, func(name string) string {
		if name == "TERM" {
			return os.Getenv(name) // of colours alone the others speak
		}
		return ""
	}).Colour
}

// Screen is where people read what a verb prints.
func (t Terminal) Screen() see.Screen {
	w := t.Out
	if o, ok := w.(*Outlet); ok {
		w = o.To
	}
	f, _ := w.(*os.File) // nil: something else
	return see.NewScreen(t.Out, f, os.Getenv)
}

// Note tells a person something beside what was asked for.
func (t Terminal) Note(text string) { _, _ = fmt.Fprintln(t.Err, "note:", text) }

// JSON prints one value for programs.
func (t Terminal) JSON(v any) error { return WriteJSON(t.Out, v) }

// WriteJSON writes one value for programs.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Quote quotes a value so that a POSIX shell reads it back as it is.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
