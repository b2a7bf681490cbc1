package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/musterdev/muster/call/discovery"
)

// CallsFile is the name of the file in Config.StateDir that says how the services of a
// fleet that starts are to be called: JSON, by service. While the fleet runs the
// registry is told of changes.
const CallsFile = "calls.json"

// readCalls reads the file, which need not be there.
func readCalls(path string) (calls map[string]discovery.Settings, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read how services are called: %w", err)
	}
	if err := json.Unmarshal(text, &calls); err != nil {
		return nil, fmt.Errorf("%s: how services are called cannot be read: %w", path, err)
	}
	return calls, nil
}
