package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxCacheFile bounds what is read from disk, in bytes.
const maxCacheFile = 64 << 20

// cache keeps the last known list of each service in a folder, one file each, which
// processes may share: every write replaces the whole file. The empty cache keeps
// nothing.
type cache string

type cacheFile struct {
	Format    int        `json:"format"` // 1
	Service   string     `json:"service"`
	Instances []Instance `json:"instances"`
	Settings  Settings   `json:"settings,omitempty"`
}

func (c cache) file(service string) string { return filepath.Join(string(c), service+".json") }

// load returns what is known of a service, nothing when there is no file. An error
// names the file; it never keeps a client from working.
func (c cache) load(service string) ([]Instance, Settings, error) {
	if c == "" {
		return nil, nil, nil
	}
	f, err := os.Open(c.file(service))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	var file cacheFile
	if err := json.NewDecoder(io.LimitReader(f, maxCacheFile)).Decode(&file); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	if file.Format != 1 || file.Service != service {
		return nil, nil, fmt.Errorf("%s: it is format %d of service %q, not format 1 of %q", f.Name(), file.Format, file.Service, service)
	}
	for _, in := range file.Instances {
		if err := in.Validate(); err != nil {
			return nil, nil, fmt.Errorf("%s: instance %q: %w", f.Name(), in.ID, err)
		}
		if in.Service != service {
			return nil, nil, fmt.Errorf("%s: instance %q is of service %q", f.Name(), in.ID, in.Service)
		}
	}
	return file.Instances, file.Settings, nil
}

// save replaces the file of a service. It does not force the disk: after a power
// cut the file may be corrupt, which load tells.
func (c cache) save(service string, list []Instance, settings Settings) error {
	if c == "" {
		return nil
	}
	b, err := json.Marshal(cacheFile{Format: 1, Service: service, Instances: list, Settings: settings})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(c), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(string(c), "."+service+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), c.file(service))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to report
	}
	return err
}
