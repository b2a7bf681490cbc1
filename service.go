package muster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
)

// Service is one service as a value: its main, a demo, a test and the one-process
// mode all take the same.
type Service struct {
	Name       string // DNS label, unique in the fleet
	Migrations fs.FS  // the database's migrations in goose's file layout; nil: none
	// Run builds the service and ends with app.Serve(ctx). Its error ends the process.
	Run func(ctx context.Context, app *App) error
}

// ErrConfig is what a configuration error satisfies with errors.Is: the process
// ends with status 2 instead of 1.
var ErrConfig = errors.New("configuration")

// configError is a message about configuration; it names its own place.
type configError struct{ msg string }

func (e *configError) Error() string        { return e.msg }
func (e *configError) Is(target error) bool { return target == ErrConfig }

func configErrorf(format string, args ...any) error {
	return &configError{fmt.Sprintf(format, args...)}
}

// Main runs one service until SIGINT or SIGTERM and ends the process: status 0 when
// Run returned nil, 2 when it was configured wrongly, else 1, with one clear line on
// standard error.
func Main(s Service, opts ...Option) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := Run(ctx, []Service{s}, opts...)
	stop()
	os.Exit(exit(err)) //nolint:forbidigo // Main is a service's main
}

func exit(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrConfig):
		fmt.Fprintln(os.Stderr, "error:", err)
		return 2
	default:
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
}
