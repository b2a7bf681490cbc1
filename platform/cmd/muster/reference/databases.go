package reference

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/postgres"
)

const (
	// A server lets in 100 by default, and keeps a few for its owner.
	connections = 80
	dropWithin  = 30 * time.Second
)

// Databases are fresh databases of a PostgreSQL server, one a service.
type Databases struct {
	server *sql.DB
	names  []string

	URLs map[string]string // by service
}

// errURL is a muster.ErrConfig.
type errURL string

func (e errURL) Error() string      { return string(e) }
func (errURL) Is(target error) bool { return target == muster.ErrConfig }

// CreateDatabases makes a database for each service on the server that admin, the URL
// of a database whose user may do that, leads to. replicas bounds what each process
// may connect. A URL that cannot be meant is a muster.ErrConfig.
func CreateDatabases(ctx context.Context, admin string, services []string, replicas int) (*Databases, error) {
	u, err := url.Parse(admin)
	if err != nil || u.Host == "" && u.Query().Get("host") == "" || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errURL("--postgres is not the URL of a PostgreSQL database: write postgres://USER:PASSWORD@HOST:PORT/postgres, with special characters as %XX")
	}
	server, err := postgres.Driver.Open(ctx, admin)
	if err != nil {
		return nil, fmt.Errorf("--postgres: %w", err)
	}
	d := &Databases{server: server, URLs: map[string]string{}}
	query := u.Query()
	query.Set("pool_max_conns", strconv.Itoa(max(2, connections/(len(services)*replicas))))
	run := strings.ToLower(rand.Text()[:8])
	for _, service := range services {
		name := "muster_" + run + "_" + strings.ReplaceAll(service, "-", "_")
		if _, err := server.ExecContext(ctx, `CREATE DATABASE `+name); err != nil {
			return nil, errors.Join(fmt.Errorf("--postgres: create the database of %s: %w", service, err), d.Drop())
		}
		d.names = append(d.names, name)
		own := *u
		own.Path, own.RawQuery = "/"+name, query.Encode()
		d.URLs[service] = own.String()
	}
	return d, nil
}

// Drop removes the databases, whoever is still connected.
func (d *Databases) Drop() error {
	ctx, cancel := context.WithTimeout(context.Background(), dropWithin)
	defer cancel()
	var failed []error
	for _, name := range d.names {
		if _, err := d.server.ExecContext(ctx, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
			failed = append(failed, fmt.Errorf("drop the database %s: %w", name, err))
		}
	}
	return errors.Join(append(failed, d.server.Close())...)
}
