package local

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
)

// rooted has the files that a filter names begin at the fleet's folder, as all paths in its
// file do: the edge may run anywhere.
func rooted(with json.RawMessage, dir string) json.RawMessage {
	var members map[string]any
	d := json.NewDecoder(bytes.NewReader(with))
	d.UseNumber()
	if d.Decode(&members) != nil || !root(members, dir) {
		return with
	}
	if out, err := json.Marshal(members); err == nil {
		return out
	}
	return with
}

// root changes the paths among the members, and reports whether there are any.
func root(members map[string]any, dir string) (changed bool) {
	for name, value := range members {
		switch v := value.(type) {
		case string:
			if slices.Contains([]string{"file", "jwks_file", "secret_file", "denied"}, name) && relative(v) {
				members[name], changed = filepath.Join(dir, v), true
			}
		case []any:
			changed = rootList(name, v, dir) || changed
		}
	}
	return changed
}

func rootList(name string, list []any, dir string) (changed bool) {
	for i, item := range list {
		switch v := item.(type) {
		case string:
			if (name == "allow_files" || name == "deny_files") && relative(v) {
				list[i], changed = filepath.Join(dir, v), true
			}
		case map[string]any:
			changed = name == "issuers" && root(v, dir) || changed
		}
	}
	return changed
}

func relative(path string) bool { return path != "" && !filepath.IsAbs(path) }
