package discovery

import (
	"bytes"
	"slices"
	"sync"
)

// Resolver tells which instances of a service exist. It is safe for concurrent use.
type Resolver interface {
	// View returns the living view of one service. The first call for a service
	// begins to watch it; the same View is returned ever after.
	View(service string) *View
}

// View is the last known list of one service's instances, and how the service is to be
// called. It is safe for concurrent use; reading it never blocks on the network.
type View struct {
	mu       sync.RWMutex
	list     []Instance
	settings Settings
	changed  chan struct{}
}

// NewView returns a view that holds list.
func NewView(list ...Instance) *View {
	return &View{list: list, changed: make(chan struct{})}
}

// Instances returns the current list, which the caller must not change.
func (v *View) Instances() []Instance {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.list
}

// Settings returns how the service is to be called, nil when nothing was said. The
// caller must not change it; a change brings another slice.
func (v *View) Settings() Settings {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.settings
}

// Changed returns a channel that is closed at the next change of the list or the
// settings. To miss nothing, ask for it before reading them.
func (v *View) Changed() <-chan struct{} {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.changed
}

// Set replaces the list and wakes all who wait for a change.
func (v *View) Set(list []Instance) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.list = slices.Clone(list)
	v.tell()
}

// SetSettings replaces the settings and wakes all who wait for a change, if it is one.
func (v *View) SetSettings(s Settings) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if bytes.Equal(s, v.settings) {
		return
	}
	v.settings = slices.Clone(s)
	v.tell()
}

// tell wakes all who wait; the lock is held.
func (v *View) tell() {
	close(v.changed)
	v.changed = make(chan struct{})
}
