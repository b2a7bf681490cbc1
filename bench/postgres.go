//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

// withPostgres runs a command with a PostgreSQL server of its own: the word URL among
// its arguments becomes the server's URL. The server ends with it, data and all.
func withPostgres(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("with-postgres wants a command, such as: with-postgres bin/muster demo --postgres URL")
	}
	server, err := pgtest.Durable()
	if err != nil {
		return err
	}
	defer server.Stop()
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "URL", server.URL("postgres"))
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // it is what whoever calls this asks for
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return nil
}
