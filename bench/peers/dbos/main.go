// Command dbos runs workflows of two steps that do nothing, as DBOS carries them out. Its arguments are
// the URL of the database and how many are under way at once.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"

	"github.com/musterdev/muster/bench/peers/load"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "dbos:", err)
		os.Exit(1)
	}
}

func nothing(context.Context) (string, error) { return "", nil }

func workflow(ctx dbos.Context, in string) (string, error) {
	if _, err := dbos.RunAsStep(ctx, nothing, dbos.WithStepName("ask")); err != nil {
		return "", err
	}
	return dbos.RunAsStep(ctx, nothing, dbos.WithStepName("tell"))
}

func run(ctx context.Context) error {
	if len(os.Args) != 3 {
		return fmt.Errorf("usage: dbos URL WORKERS")
	}
	workers, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	d, err := dbos.NewContext(ctx, dbos.Config{DatabaseURL: os.Args[1], AppName: "bench", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return err
	}
	dbos.RegisterWorkflow(d, workflow)
	if err := dbos.Launch(d); err != nil {
		return err
	}
	defer func() { _ = dbos.Shutdown(d, 5*time.Second) }() // nothing is under way
	return load.Serve(ctx, workers, func(context.Context) error {
		h, err := dbos.RunWorkflow(d, workflow, "")
		if err != nil {
			return err
		}
		_, err = h.GetResult()
		return err
	})
}
