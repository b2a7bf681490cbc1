package migrate

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// file is one migration, read.
type file struct {
	script
	name    string // path in the file system
	version int64
}

// firstTime is the least version that is a time of writing and not a number in a
// series: the shortest form in use is a date of eight digits.
const firstTime = 10_000_000

// load reads all files of the set and refuses what cannot be told in order.
func (s Set) load() ([]file, error) {
	if err := s.checkTable(); err != nil {
		return nil, err
	}
	if s.Files == nil {
		return nil, errors.New("migrate: the set has no file system: embed the folder with the .sql files")
	}
	names, err := sqlFiles(s.Files)
	if err != nil {
		return nil, err
	}
	files := make([]file, 0, len(names))
	for _, name := range names {
		version, err := versionOf(name)
		if err != nil {
			return nil, err
		}
		content, err := fs.ReadFile(s.Files, name)
		if err != nil {
			return nil, fmt.Errorf("migrate: %w", err)
		}
		script, err := parse(name, string(content))
		if err != nil {
			return nil, err
		}
		files = append(files, file{script: script, name: name, version: version})
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.name, b.name)) })
	return files, checkSeries(files)
}

func (s Set) table() string { return cmp.Or(s.Table, DefaultTable) }

func (s Set) checkTable() error {
	for i, c := range s.table() {
		if c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return fmt.Errorf("migrate: %q cannot name the version table: use lower-case letters, digits and _", s.Table)
		}
	}
	return nil
}

// sqlFiles lists the .sql files at the root, or in the only folder that has some:
// what //go:embed migrations/*.sql gives.
func sqlFiles(fsys fs.FS) ([]string, error) {
	found, err := fs.Glob(fsys, "*.sql")
	if err != nil || len(found) > 0 {
		return found, err
	}
	below, err := fs.Glob(fsys, "*/*.sql")
	if err != nil {
		return nil, err
	}
	if len(below) == 0 {
		return nil, errors.New("migrate: there are no .sql files at the root of the file system, nor in a folder of it: embed the folder that has them")
	}
	for _, name := range below {
		if path.Dir(name) != path.Dir(below[0]) {
			return nil, fmt.Errorf("migrate: the folders %s and %s both have .sql files: choose one with fs.Sub", path.Dir(below[0]), path.Dir(name))
		}
	}
	return below, nil
}

func versionOf(name string) (int64, error) {
	digits, rest, _ := strings.Cut(path.Base(name), "_")
	version, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || version < 1 || rest == "" || digits[0] == '+' {
		return 0, wrong(name, 0, "call it VERSION_NAME.sql with a version from 1, such as 00001_products.sql", "the name of the file has no version")
	}
	return version, nil
}

// checkSeries refuses two files of one version and holes in the numbers.
func checkSeries(files []file) error {
	for i := 1; i < len(files); i++ {
		before, f := files[i-1], files[i]
		switch {
		case f.version == before.version:
			return wrong(f.name, 0, "give the later one the next free version", "version %d is that of %s too", f.version, before.name)
		case f.version != before.version+1 && f.version < firstTime:
			return wrong(f.name, 0, "restore the missing file, or renumber", "after %s comes version %d, not %d", before.name, before.version+1, f.version)
		}
	}
	return nil
}

// plan returns the files to apply, or an error when the order they would be applied
// in is not the order a new database gets.
func plan(files []file, applied map[int64]Migration) ([]file, error) {
	var last int64
	for version := range applied {
		last = max(last, version)
	}
	var pending []file
	for _, f := range files {
		switch _, done := applied[f.version]; {
		case done:
		case f.version < last:
			return nil, wrong(f.name, 0, "give it a version that comes after all others", "not applied, though version %d is: the order has changed", last)
		default:
			pending = append(pending, f)
		}
	}
	if len(files) == 0 {
		return nil, nil
	}
	have := make(map[int64]bool, len(files))
	for _, f := range files {
		have[f.version] = true
	}
	for version := range applied {
		// what is before the first file was squashed into it, what is behind the last is a newer release's
		if !have[version] && version > files[0].version && version < files[len(files)-1].version {
			return nil, fmt.Errorf("migrate: the database has version %d, whose file is gone from among the others: restore it", version)
		}
	}
	return pending, nil
}

// merge lists files and applied versions by version.
func merge(files []file, applied map[int64]Migration) []Migration {
	var all []Migration
	for _, f := range files {
		m := applied[f.version]
		m.Version, m.File = f.version, f.name
		all = append(all, m)
		delete(applied, f.version)
	}
	for _, m := range applied {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	return all
}
