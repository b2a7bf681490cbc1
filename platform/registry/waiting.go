package registry

import (
	"github.com/musterdev/muster/call/discovery"
)

// maxWatches bounds the watches that wait at a time.
const maxWatches = 10_000

// allServices is the key of watches that name no service, which no service has.
const allServices = ""

// waiting holds the watches that wait, by service: a change wakes those it concerns
// and costs the others nothing. Registry's lock guards it.
type waiting map[string]map[*watcher]struct{}

// watcher is one watch that waits.
type watcher struct {
	services []string      // as the watch names them
	news     chan struct{} // holds one: several changes are one reason to look again
}

func newWatcher(services []string) *watcher {
	if len(services) == 0 {
		services = []string{allServices}
	}
	return &watcher{services: services, news: make(chan struct{}, 1)}
}

func (w waiting) add(who *watcher) {
	for _, s := range who.services {
		if w[s] == nil {
			w[s] = map[*watcher]struct{}{}
		}
		w[s][who] = struct{}{}
	}
}

func (w waiting) remove(who *watcher) {
	for _, s := range who.services {
		delete(w[s], who)
		if len(w[s]) == 0 {
			delete(w, s)
		}
	}
}

// wake wakes the watches of the services that changed, all when not all are known.
func (w waiting) wake(changed []discovery.Ref, complete bool) {
	if !complete {
		for service := range w {
			w.wakeService(service)
		}
		return
	}
	last := allServices
	w.wakeService(allServices)
	for _, ref := range changed { // sorted by service
		if ref.Service != last {
			w.wakeService(ref.Service)
			last = ref.Service
		}
	}
}

func (w waiting) wakeService(service string) {
	for who := range w[service] {
		select {
		case who.news <- struct{}{}:
		default: // it is awake already
		}
	}
}
