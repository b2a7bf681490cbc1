package watch

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// maxFolders bounds what one name may watch: each folder costs the system memory.
const maxFolders = 2000

// Place is a folder some of whose files matter.
type Place struct {
	Dir   string                // absolute
	Deep  bool                  // the folders below matter too
	Match func(rel string) bool // of a path below Dir, with slashes; nil: every file
}

// Files returns the places of single files.
func Files(paths ...string) []Place {
	places := make([]Place, 0, len(paths))
	for _, path := range paths {
		base := filepath.Base(path)
		places = append(places, Place{Dir: filepath.Dir(path), Match: func(rel string) bool { return rel == base }})
	}
	return places
}

// below returns the path's place below p.
func below(p Place, path string) (string, bool) {
	rel, err := filepath.Rel(p.Dir, path)
	if err != nil || rel == "." || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", false
	}
	rel = filepath.ToSlash(rel)
	return rel, p.Deep || !strings.Contains(rel, "/")
}

// ignored reports whether a path holds what no service is made from: hidden files
// and folders, what package managers and interpreters put there, editors' traces.
func ignored(rel string) bool {
	for part := range strings.SplitSeq(rel, "/") {
		switch {
		case strings.HasPrefix(part, "."), strings.HasSuffix(part, "~"), strings.HasSuffix(part, ".swp"),
			part == "node_modules", part == "__pycache__", part == "4913": // 4913: vim tries whether it may write
			return true
		}
	}
	return false
}

// expand returns the folders of places.
func expand(places []Place) (map[string]bool, error) {
	folders := map[string]bool{}
	for _, p := range places {
		folders[p.Dir] = true
		if !p.Deep {
			continue
		}
		err := filepath.WalkDir(p.Dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil && d == nil, err == nil && !d.IsDir():
				return nil
			case err != nil, path != p.Dir && ignored(d.Name()): // what cannot be read is not watched
				return filepath.SkipDir
			}
			folders[path] = true
			if len(folders) > maxFolders {
				return fmt.Errorf("watch %s: it holds more than %d folders; say with \"watch\" which files matter", p.Dir, maxFolders)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return folders, nil
}
