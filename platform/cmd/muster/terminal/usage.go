package terminal

import (
	"errors"
	"fmt"
	"strings"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/problem"
)

// usage is a wrong flag or argument: a [muster.ErrConfig], so that nothing was started.
type usage struct{ error }

func (u usage) Unwrap() error      { return u.error }
func (usage) Is(target error) bool { return target == muster.ErrConfig }

// Usage says that err is of the command line.
func Usage(err error) error { return usage{err} }

// Usagef returns what is wrong with the command line.
func Usagef(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

// Plain is an error without its code, which is for programs.
func Plain(err error) error {
	text, cut := strings.CutPrefix(err.Error(), string(problem.CodeOf(err))+": ")
	if !cut {
		return err
	}
	return errors.New(text)
}
