package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// Subscription has the events of topics posted to a service.
type Subscription struct {
	Service string `json:"service"` // its name; its group at the bus is called the same
	Topic   string `json:"topic"`   // or a pattern: see bus.ValidPattern
	Path    string `json:"path"`    // of the POST: "/events"
}

// The bounds of what is subscribed to.
const (
	maxSubscriptions = 1000
	maxPath          = 1000
	maxFile          = 1 << 20 // bytes
)

// parse reads a list of subscriptions. What is wrong is problem.InvalidArgument, with
// the place as the field, such as 2.topic.
func parse(data []byte) ([]Subscription, error) {
	list := []Subscription{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, problem.Wrap(err, problem.InvalidArgument, `the subscriptions are not JSON such as [{"service": "notify", "topic": "orders.*", "path": "/events"}]: %v`, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, problem.New(problem.InvalidArgument, "there is more behind the list of subscriptions")
	}
	if len(list) > maxSubscriptions {
		return nil, problem.New(problem.TooLarge, "there are %d subscriptions; at most %d are taken", len(list), maxSubscriptions)
	}
	topics := map[string][]string{}
	for i, s := range list {
		if field, err := s.validate(topics[s.Service]); err != nil {
			name := fmt.Sprintf("%d.%s", i, field)
			return nil, problem.New(problem.InvalidArgument, "subscription %d: %s: %v", i, field, err).WithField(name, err.Error())
		}
		topics[s.Service] = append(topics[s.Service], s.Topic)
	}
	if list == nil { // null
		list = []Subscription{}
	}
	return list, nil
}

// validate returns what is wrong with a field, beside the service's earlier topics.
func (s Subscription) validate(earlier []string) (field string, err error) {
	if !discovery.ValidName(s.Service) {
		return "service", fmt.Errorf("%.80q is no name of a service", s.Service)
	}
	if err := bus.ValidPattern(s.Topic); err != nil {
		return "topic", errors.New(strings.TrimPrefix(err.Error(), "bus: "))
	}
	for _, t := range earlier {
		if t == s.Topic {
			return "topic", fmt.Errorf("%s has %s already", s.Service, t)
		}
	}
	if _, err := (bus.Subscription{Group: s.Service, Topics: append(slices.Clip(earlier), s.Topic)}).Normalized(); err != nil {
		return "topic", err
	}
	u, err := url.Parse(s.Path)
	if err != nil || !strings.HasPrefix(s.Path, "/") || strings.HasPrefix(s.Path, "//") || u.Fragment != "" || len(s.Path) > maxPath {
		return "path", fmt.Errorf("%.80q is no path: begin it with one /, at most %d characters", s.Path, maxPath)
	}
	return "", nil
}

// file is where the subscriptions are kept.
type file string

// read returns what is in the file; none when there is no file.
func (f file) read() ([]Subscription, error) {
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return []Subscription{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("broker: read the subscriptions: %w", err)
	}
	list, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("broker: %s: %w", string(f), err)
	}
	return list, nil
}

// write replaces the file; it is whole whatever happens meanwhile.
func (f file) write(list []Subscription) (err error) {
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	folder := filepath.Dir(string(f))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	t, err := os.CreateTemp(folder, "subscriptions-*.tmp")
	if err != nil {
		return err
	}
	_, err = t.Write(append(data, '\n'))
	err = errors.Join(err, t.Sync(), t.Close())
	if err == nil {
		err = os.Rename(t.Name(), string(f))
	}
	if err != nil {
		return errors.Join(err, os.Remove(t.Name()))
	}
	return nil
}
