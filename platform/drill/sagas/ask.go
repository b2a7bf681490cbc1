package sagas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/crash"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/strictyaml"
)

// owner finds the service that has the saga.
func (d *drive) owner(ctx context.Context) (string, error) {
	list, err := d.asked().Definitions(ctx)
	var owners, names []string
	for _, one := range list {
		names = append(names, one.Name)
		if one.Name == d.cfg.Saga {
			owners = append(owners, one.Service)
		}
	}
	slices.Sort(names)
	owners, names = slices.Compact(owners), slices.Compact(names)
	if chosen := slices.DeleteFunc(slices.Clone(owners), func(o string) bool { return !slices.Contains(d.cfg.Services, o) }); len(owners) > 1 && len(chosen) > 0 {
		owners = chosen
	}
	switch {
	case len(owners) == 1:
		return owners[0], nil
	case len(owners) > 1:
		return "", fmt.Errorf("the saga %q is at %s: say which by --service", d.cfg.Saga, strings.Join(owners, " and "))
	case err != nil:
		return "", fmt.Errorf("ask the services for their sagas: %w", err)
	case len(names) == 0:
		return "", fmt.Errorf("no service of the fleet has a saga: one that has tells of it at /.muster/sagas, as app.Sagas of the Go library does")
	}
	return "", fmt.Errorf("no service has a saga %q%s", d.cfg.Saga, strictyaml.SuggestOrList(d.cfg.Saga, names, "sagas"))
}

// victim returns the one instance of a service that is crashed.
func (d *drive) victim(service string) (instance.Status, error) {
	switch list := live.Instances(d.cfg.Fleet, service); len(list) {
	case 0:
		return instance.Status{}, fmt.Errorf("the fleet has no instance of a service %q", service)
	case 1:
		return list[0], nil
	default:
		return instance.Status{}, fmt.Errorf("%s has %d instances; what is crashed must be one", service, len(list))
	}
}

const (
	orderWithin = 5 * time.Second
	crashPath   = "/.muster/crash" // where package muster has crash.Plan's Handler
)

// order has a service record, or crash at a point, or neither.
func (d *drive) order(ctx context.Context, service string, o crash.Order) error {
	body, err := json.Marshal(o)
	if err == nil {
		_, err = d.plan(ctx, service, http.MethodPost, body)
	}
	return err
}

// recorded is what a service has recorded.
func (d *drive) recorded(ctx context.Context, service string) (crash.State, error) {
	return d.plan(ctx, service, http.MethodGet, nil)
}

// errNotMuster says that a process does not count what it does.
var errNotMuster = errors.New("it does not count its boundaries, so that it cannot be crashed at them: only services with package muster do")

func (d *drive) plan(ctx context.Context, service, method string, body []byte) (state crash.State, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", service, err)
		}
	}()
	one, err := d.victim(service)
	if err != nil {
		return state, err
	}
	if one.TCP || one.Port == 0 {
		return state, errNotMuster
	}
	ctx, cancel := context.WithTimeout(ctx, orderWithin)
	defer cancel()
	to := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(one.Port)) + crashPath
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return state, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true // the process is about to die
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return state, err
	}
	defer func() { _ = res.Body.Close() }() // read to its end, or of no use
	switch kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); {
	case res.StatusCode == http.StatusNotFound || res.StatusCode < 300 && kind != "application/json":
		return state, errNotMuster
	case res.StatusCode >= 300:
		return state, problem.FromResponse(res)
	}
	return state, json.NewDecoder(res.Body).Decode(&state)
}
