package fleet_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/musterdev/muster/platform/fleet"
)

// file writes a muster.yaml into a new folder and returns its path.
func file(text string) string {
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return err.Error()
	}
	path := filepath.Join(dir, "muster.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err.Error()
	}
	return path
}

const shop = `
fleet: shop
services:
  catalog: {run: go run ./cmd/catalog, replicas: 2, database: true, route: /v1/products}
  mailer: {run: "./mailer --listen :${PORT}", ready: tcp}
  notify:
    run: node notify/server.js
    env: {MAIL_HOST: "${services.mailer.host}", MAIL_PORT: "${services.mailer.port}"}
`

func ExampleLoad() {
	path := file(shop)
	defer os.RemoveAll(filepath.Dir(path))

	f, err := fleet.Load(path, fleet.Options{Env: os.LookupEnv})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range f.Services {
		fmt.Println(s.Name, s.Replicas, s.Database.Engine, s.GoPackage, s.StablePort)
	}
	for _, r := range f.Routes() {
		fmt.Println(r, "->", r.Service)
	}
	// Output:
	// catalog 2 sqlite ./cmd/catalog false
	// mailer 1   true
	// notify 1   false
	// /v1/products -> catalog
}

func ExampleLoad_mistakes() {
	path := file("fleet: shop\nservices:\n  cart: {run: ./cart, replica: 2}\n  orders: {run: ./orders, env: {CART: \"${services.crat.url}\"}}\n")
	defer os.RemoveAll(filepath.Dir(path))

	_, err := fleet.Load(path, fleet.Options{}) // err prints as lines of file:line:column: message
	if mistakes, ok := errors.AsType[*fleet.Errors](err); ok {
		for _, e := range mistakes.List {
			fmt.Println(e.Line, e.Column, e.Message)
		}
	}
	// Output:
	// 3 23 unknown key "replica"; did you mean "replicas"?
	// 4 39 unknown service "crat"; did you mean "cart"?
}

func ExampleFleet_Environment() {
	path := file(shop)
	defer os.RemoveAll(filepath.Dir(path))

	f, err := fleet.Load(path, fleet.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	notify, _ := f.Service("notify")
	env, err := f.Environment(notify, fleet.Instance{
		ID: "notify-1", Port: 40123,
		Peers: map[string]fleet.Address{"mailer": {Host: "127.0.0.1", Port: 40200}},
	})
	fmt.Println(env["PORT"], env["MUSTER_INSTANCE"], env["MAIL_HOST"], env["MAIL_PORT"], err)
	// Output: 40123 notify-1 127.0.0.1 40200 <nil>
}

func ExampleFleet_Command() {
	path := file(shop)
	defer os.RemoveAll(filepath.Dir(path))

	f, err := fleet.Load(path, fleet.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range f.Services {
		words, err := f.Command(s, fleet.Instance{ID: s.Name + "-1", Port: 40123}, "/tmp/built")
		fmt.Println(words, err)
	}
	// Output:
	// [/tmp/built] <nil>
	// [./mailer --listen :40123] <nil>
	// [node notify/server.js] <nil>
}

func ExampleDiff() {
	old, renewed := file(shop), file(shop+"  cart: {run: ./cart}\n")
	defer os.RemoveAll(filepath.Dir(old))
	defer os.RemoveAll(filepath.Dir(renewed))

	before, err := fleet.Load(old, fleet.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := fleet.Load(renewed, fleet.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	changes := fleet.Diff(before, after)
	fmt.Println(changes.Added, changes.Removed, changes.Routes)
	// Output: [cart] [] false
}

func ExampleSchema() {
	fmt.Println(len(fleet.Schema()) > 0)
	// Output: true
}
