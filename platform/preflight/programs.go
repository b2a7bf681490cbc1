package preflight

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/fleet"
)

// programs looks for what the services' commands begin with.
func programs(ctx context.Context, f *fleet.Fleet) []Finding {
	users := map[string][]string{}
	var found []Finding
	for _, s := range f.Services {
		for i, command := range [][]string{s.Build, s.Run} {
			switch key := []string{"build", "run"}[i]; {
			case len(command) == 0 || strings.Contains(command[0], "${"): // known when it is started only
			case strings.Contains(command[0], "/"):
				found = append(found, pathFinding(s, key, command[0]))
			case !slices.Contains(users[command[0]], s.Name):
				users[command[0]] = append(users[command[0]], s.Name)
			}
		}
	}
	for _, program := range slices.Sorted(maps.Keys(users)) {
		check := "program " + program
		path, err := exec.LookPath(program)
		switch {
		case err != nil:
			found = append(found, fail(check, "not found in PATH, needed by %s: install it", strings.Join(users[program], ", ")))
		case program == "go":
			out, err := exec.CommandContext(ctx, path, "version").Output()
			if err != nil {
				found = append(found, fail(check, "%s does not run: %v", path, err))
				continue
			}
			found = append(found, ok(check, "%s", strings.TrimSpace(string(out))))
		default:
			found = append(found, ok(check, "%s", path))
		}
	}
	return found
}

// pathFinding checks a command that is a path. What build makes need not be there yet.
func pathFinding(s fleet.Service, key, command string) Finding {
	check := "program " + command
	file := command
	if !filepath.IsAbs(file) {
		file = filepath.Join(s.Dir, file)
	}
	path, err := exec.LookPath(file)
	switch {
	case err == nil:
		return ok(check, "%s", path)
	case errors.Is(err, os.ErrNotExist) && key == "run" && len(s.Build) > 0:
		return ok(check, "not there yet; %q makes it", strings.Join(s.Build, " "))
	case errors.Is(err, os.ErrNotExist):
		return fail(check, "%v", s.Place(key).Errorf("%s does not exist, needed by %s; create it, or correct %q", file, s.Name, key))
	default:
		return fail(check, "%v", s.Place(key).Errorf("%s is not executable, needed by %s: chmod +x it", file, s.Name))
	}
}
