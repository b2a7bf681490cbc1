package sqlite

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const memory = ":memory:"

// parseURL returns the path in a URL sqlite:PATH, or memory.
func parseURL(url string) (string, error) {
	path, found := strings.CutPrefix(url, "sqlite:")
	if !found {
		return "", fmt.Errorf("sqlite: %q is not the URL of an SQLite database: write sqlite:PATH, such as sqlite:data/shop.db, or sqlite::memory: for one that is not kept", url)
	}
	if after, slashes := strings.CutPrefix(path, "//"); slashes {
		if !strings.HasPrefix(after, "/") {
			return "", fmt.Errorf("sqlite: %q names a host: write sqlite:%s for a relative path, sqlite:///%s for an absolute one", url, after, after)
		}
		path = after
	}
	switch {
	case path == memory:
		return path, nil
	case path == "":
		return "", fmt.Errorf("sqlite: %q names no file: write sqlite:PATH, such as sqlite:data/shop.db, or sqlite::memory: for one that is not kept", url)
	case strings.ContainsAny(path, "?\x00"):
		return "", fmt.Errorf("sqlite: %q has parameters, and there are none: write sqlite:PATH", url)
	}
	return path, nil
}

// locate returns the one true name of the file at path, by which all processes
// find the same lock files, and refuses what cannot be a database.
func locate(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: %s: %w", path, err)
	}
	info, err := os.Stat(abs)
	switch {
	case err == nil && info.IsDir():
		return "", fmt.Errorf("sqlite: %s is a folder, not a database file: name a file in it, such as sqlite:%s", abs, filepath.Join(path, "data.db"))
	case err == nil && !info.Mode().IsRegular():
		return "", fmt.Errorf("sqlite: %s is not a regular file (%s): name a file", abs, info.Mode().Type())
	case err == nil:
		return resolve(abs, abs)
	}
	folder := filepath.Dir(abs)
	switch info, folderErr := os.Stat(folder); {
	case folderErr != nil && os.IsNotExist(folderErr):
		return "", fmt.Errorf("sqlite: the folder of %s does not exist: create %s, or name another file", abs, folder)
	case folderErr != nil:
		return "", fmt.Errorf("sqlite: cannot reach %s: %w", abs, folderErr)
	case !info.IsDir():
		return "", fmt.Errorf("sqlite: %s cannot exist, for %s is not a folder: name another file", abs, folder)
	case !os.IsNotExist(err):
		return "", fmt.Errorf("sqlite: cannot reach %s: %w", abs, err)
	}
	if target, err := os.Readlink(abs); err == nil {
		return "", fmt.Errorf("sqlite: %s is a link to %s, which does not exist: create the target, or name another file", abs, target)
	}
	resolved, err := resolve(folder, abs)
	return filepath.Join(resolved, filepath.Base(abs)), err
}

func resolve(existing, path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(existing)
	if err != nil && !os.IsNotExist(err) {
		return "", fmt.Errorf("sqlite: cannot reach %s: %w", path, err)
	}
	if err != nil {
		return "", fmt.Errorf("sqlite: %s disappeared while it was opened: %w", path, fs.ErrNotExist)
	}
	return resolved, nil
}
