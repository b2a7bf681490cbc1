//go:build !unix

package see

import "os"

// width returns how many characters a terminal's line has, 0 where f is none or cannot tell.
func width(*os.File) int { return 0 }
