// Package migrate brings a database's schema up to date from SQL files in goose's
// layout, and records what it did in goose's own table, so that a team may come
// from goose and go back to it.
//
// A migration is a file named VERSION_NAME.sql, such as 00001_products.sql:
//
//	-- +goose Up
//	CREATE TABLE product (id TEXT PRIMARY KEY);
//
//	-- +goose Down
//	DROP TABLE product;
//
// Statements end with a semicolon at the end of a line. One that holds semicolons
// inside stands between the lines "-- +goose StatementBegin" and "-- +goose
// StatementEnd". A file runs in one transaction with its record, unless it says
// "-- +goose NO TRANSACTION". Versions are 1, 2, 3, ... without gaps, or the time
// of writing as eight digits or more.
//
// Any number of processes may migrate the same database at the same time: an
// advisory lock (PostgreSQL) or the write lock (SQLite) lets one work and the others
// find the work done.
package migrate

import (
	"context"
	"database/sql"
	"io/fs"
	"time"
)

// DefaultTable is the table goose records applied versions in.
const DefaultTable = "goose_db_version"

// Set is a series of migrations and the table that tells which were applied. Sets
// with tables of their own live beside each other in one database.
type Set struct {
	Files fs.FS  // holds the files at its root, or in its only folder that has any
	Table string // lower-case name; "" means DefaultTable
}

// Migration is one file of a Set, or an applied version that has no file.
type Migration struct {
	Version int64
	File    string    // path in Files; "" when the version was applied by a newer release
	Applied bool      // recorded in the database
	At      time.Time // when it was applied, by the database's clock; zero when it was not
}

// Run applies all migrations of fsys that db does not have; see [Set.Run].
func Run(ctx context.Context, db *sql.DB, fsys fs.FS) error { return Set{Files: fsys}.Run(ctx, db) }

// Down undoes the last applied migration; see [Set.Down].
func Down(ctx context.Context, db *sql.DB, fsys fs.FS) error { return Set{Files: fsys}.Down(ctx, db) }

// Status tells which migrations db has; see [Set.Status].
func Status(ctx context.Context, db *sql.DB, fsys fs.FS) ([]Migration, error) {
	return Set{Files: fsys}.Status(ctx, db)
}

// Check reads all files without a database and returns what is wrong with them.
func (s Set) Check() error {
	_, err := s.load()
	return err
}

// Run applies, in order, all migrations the database does not have. Every file is
// read before the first is applied. The first failure ends it: an *Error that names
// file, line and statement; what was applied before stays.
//
// A database that has versions newer than all files is left alone: the release
// before may still run on it. Refused are files that come before an applied one and
// were not applied themselves, and applied versions whose file is gone from among
// the others.
func (s Set) Run(ctx context.Context, db *sql.DB) error {
	files, err := s.load()
	if err != nil {
		return err
	}
	return s.locked(ctx, db, func(r *runner) (done bool, err error) {
		applied, err := r.applied(ctx)
		if err != nil {
			return false, err
		}
		pending, err := plan(files, applied)
		return len(pending) == 0, err
	}, func(r *runner) error {
		if err := r.createTable(ctx); err != nil {
			return err
		}
		for {
			more, err := r.next(ctx, files)
			if err != nil || !more {
				return err
			}
		}
	})
}

// Down undoes the migration with the highest version the database has, by the
// statements behind "-- +goose Down". It fails when there is none, or no file or no
// such statements for it.
func (s Set) Down(ctx context.Context, db *sql.DB) error {
	files, err := s.load()
	if err != nil {
		return err
	}
	return s.locked(ctx, db, nil, func(r *runner) error { return r.down(ctx, files) })
}

// Status returns all migrations by version: the files, and the applied versions
// without one. It changes nothing.
func (s Set) Status(ctx context.Context, db *sql.DB) ([]Migration, error) {
	files, err := s.load()
	if err != nil {
		return nil, err
	}
	r, err := s.runner(ctx, db)
	if err != nil {
		return nil, err
	}
	defer r.close()
	applied, err := r.applied(ctx)
	if err != nil {
		return nil, err
	}
	return merge(files, applied), nil
}
