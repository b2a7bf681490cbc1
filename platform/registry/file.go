package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

const (
	fileFormat  = 1
	maxFileSize = 1 << 30 // bytes read of a file, far more than Limits let it have
)

// Member is an instance as the file keeps it.
type Member struct {
	Instance discovery.Instance `json:"instance"` // as its holder says
	Drained  bool               `json:"drained,omitempty"`
	By       string             `json:"by,omitempty"` // which process holds the lease
}

type membership struct {
	Format     int      `json:"format"`
	Generation string   `json:"generation,omitempty"`
	Members    []Member `json:"members"`

	Settings map[string]discovery.Settings `json:"settings,omitempty"`
}

// Members returns what Restore needs to bring the instances back, sorted by id.
func (s *Store) Members() []Member {
	list := make([]Member, 0, len(s.leases))
	for _, l := range s.leases {
		list = append(list, Member{Instance: l.held, Drained: l.drained, By: l.by})
	}
	slices.SortFunc(list, func(a, b Member) int { return strings.Compare(a.Instance.ID, b.Instance.ID) })
	return list
}

// Restore registers instances of before, each with a fresh lease and the order it
// had. An error names the instances that cannot be; the others are restored.
func (s *Store) Restore(members []Member, now time.Time) error {
	var errs []error
	for _, m := range members {
		err := m.Instance.Validate()
		if err == nil {
			_, err = s.Put(m.Instance, m.By, now)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("instance %q: %w", m.Instance.ID, err))
			continue
		}
		if m.Drained {
			s.Drain(m.Instance.ID, now)
		}
	}
	return errors.Join(errs...)
}

// restore fills the store from the file, whatever state that is in, and reports whether
// the file was this run's.
func (r *Registry) restore() bool {
	file, err := readMembership(r.cfg.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case errors.Is(err, errCorrupt):
		aside := r.cfg.File + ".corrupt" // kept for who wants to know; the next one replaces it
		if os.Rename(r.cfg.File, aside) != nil {
			aside = r.cfg.File
		}
		r.log.Warn("the registry's file is corrupt; the registry starts empty, living instances come back with their next beat",
			"file", aside, "error", err)
		return false
	case err != nil:
		r.log.Warn("the registry's file cannot be read; the registry starts empty, living instances come back with their next beat",
			"file", r.cfg.File, "error", err)
		return false
	case file.Generation != r.cfg.Generation:
		r.log.Info("the registry's file is of another run of the fleet and is ignored", "file", r.cfg.File)
		return false
	}
	if err := r.store.Restore(file.Members, time.Now()); err != nil {
		r.log.Warn("the registry's file has instances that cannot be restored", "file", r.cfg.File, "error", err)
	}
	r.set(file.Settings)
	return true
}

func (r *Registry) set(settings map[string]discovery.Settings) {
	for name, text := range settings {
		if err := r.store.Set(name, text); err != nil {
			r.log.Warn("how a service is to be called cannot be kept", "service", name, "error", err)
		}
	}
}

// errCorrupt is the error of a file that can be read and makes no sense.
var errCorrupt = errors.New("corrupt")

// readMembership returns what a file holds; fs.ErrNotExist also for no file name.
func readMembership(path string) (m membership, err error) {
	f, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return m, errors.Join(err, fmt.Errorf("%s: not a regular file", path))
	}
	if err := json.NewDecoder(io.LimitReader(f, maxFileSize)).Decode(&m); err != nil {
		return m, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	if m.Format != fileFormat {
		return m, fmt.Errorf("%w: it has format %d; this version reads format %d", errCorrupt, m.Format, fileFormat)
	}
	return m, nil
}

// save replaces the file as a whole: it is always the old one or the new one, after
// a power cut too.
func (r *Registry) save() error {
	r.mu.Lock()
	m := membership{Format: fileFormat, Generation: r.cfg.Generation, Members: r.store.Members(), Settings: r.store.said(nil, 0)}
	r.mu.Unlock()
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(r.cfg.File), 0o755); err != nil {
		return err
	}
	// one name, for there is one registry: what a crash leaves is used again
	next := r.cfg.File + ".next"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(next, r.cfg.File)
}
