package local

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/fleet"
)

func declared(t *testing.T, text string) *fleet.Fleet {
	t.Helper()
	file := filepath.Join(t.TempDir(), "muster.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Load(file, fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What muster.yaml says of routes and filters is the edge's document.
func TestDocument(t *testing.T) {
	f := declared(t, `
fleet: shop
edge:
  filters:
    fair: {limit: {rules: [{rate: 100/s}]}}
    open: {cors: {origins: ["https://shop.example"]}}
  apply: open
services:
  web:
    run: ./web
    route:
      - /
      - {path: api.example/v1, methods: [GET], headers: {X-Beta: 1}, filters: fair, max_body: 1000, versions: {v1: 100},
         sticky: {cookie: shop}, rewrite: {prefix: /}, mirror: web, deprecated: {since: 2026-01-02, sunset: 2026-12-31}}
`)
	if err := CheckEdge(f); err != nil {
		t.Fatal(err)
	}
	doc, err := document(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"routes":[{"host":"api.example","path":"/v1","methods":["GET"],"headers":[{"name":"X-Beta","value":"1"}],"service":"web","versions":[{"version":"v1","weight":100}],` +
		`"filters":["fair"],"max_body":1000,"sticky":{"cookie":"shop"},"rewrite":{"prefix":"/"},"mirror":{"service":"web"},"deprecated":{"since":"2026-01-02","sunset":"2026-12-31"}},` +
		`{"path":"/","service":"web"}],"filters":{"fair":{"kind":"limit","with":{"rules":[{"rate":"100/s"}]}},"open":{"kind":"cors","with":{"origins":["https://shop.example"]}}},"apply":["open"]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Mistakes stand where the file has them.
func TestCheckEdge(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"kinds of values": {`
fleet: shop
services:
  web:
    run: ./web
    route:
      - {path: /a, sticky: {cookie: shop, max_age: long}}
      - {path: /b, redirect: {prefx: /c}}
      - {path: /c, deprecated: {since: soon}}
`, `
muster.yaml:7:43: sticky.max_age: must be a whole number, not a text
muster.yaml:8:31: unknown key "prefx" in redirect
muster.yaml:9:32: the route cannot be read: "soon" is no date; write 2026-12-31 or 2026-12-31T12:00:00Z`},
		"wildcards that are nowhere to go": {`
fleet: shop
services:
  web:
    run: ./web
    route:
      - {path: "*.shop.example/a", rewrite: {host: "*.shop.example"}}
      - {path: /b, redirect: {scheme: https, host: "*.shop.example"}}
`, `
muster.yaml:7:46: rewrite.host: "*.shop.example" has a wildcard, and so is no host to go to
muster.yaml:8:46: redirect.host: "*.shop.example" has a wildcard, and so is no host to go to`},
		"what the edge finds": {`
fleet: shop
edge:
  filters:
    a: {nothing: {x: 1}}
    fair:
      limit:
        rules: [{rate: often}]
  apply: [a]
services:
  web:
    run: ./web
    route:
      - path: /v1/x
        headers: {X-Beta: {prefix: a, value: b}}
        sticky: {cookie: "a b"}
      - {path: /v1/y, filters: fair, max_body: -1}
`, `
muster.yaml:5:5: filters.a: there is no filter of the kind "nothing"
muster.yaml:8:9: filters.fair.with: "often" is not a rate
muster.yaml:15:19: headers[0]: must have one of value, prefix, pattern and present
muster.yaml:16:18: sticky.cookie: "a b" cannot be the name of a cookie
muster.yaml:17:48: max_body: must not be negative`},
		"services that cannot be called": {`
fleet: shop
edge:
  filters:
    asked: {external: {service: nobody}}
    login: {jwt: {issuers: [{issuer: "https://id.example", audience: [shop], service: webb}]}}
    data: {external: {service: db}}
services:
  web:
    run: ./web
    route:
      - {path: /a, mirror: copies}
      - {path: /b, mirror: {service: db}}
      - {path: /c, mirror: web, filters: [asked, login, data]}
  db: {run: ./db, speaks: tcp}
`, `
muster.yaml:5:24: filters.asked.with.service: there is no service "nobody"; the services are db, web
muster.yaml:6:78: filters.login.with.issuers[0].service: there is no service "webb"; did you mean "web"?
muster.yaml:7:23: filters.data.with.service: service db speaks tcp, so that nothing can be asked of it by HTTP; name another one
muster.yaml:12:28: mirror.service: there is no service "copies"; the services are db, web
muster.yaml:13:29: mirror.service: service db speaks tcp, so that nothing can be asked of it by HTTP; name another one`},
	} {
		err := CheckEdge(declared(t, test.text))
		if err == nil {
			t.Errorf("%s: nothing was found", name)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		wants := strings.Split(strings.TrimSpace(test.want), "\n")
		if len(lines) != len(wants) {
			t.Errorf("%s: found\n%v", name, err)
			continue
		}
		for i, want := range wants {
			_, line, _ := strings.Cut(lines[i], "muster.yaml")
			if !strings.HasPrefix("muster.yaml"+line, want) {
				t.Errorf("%s: found %q, want %q", name, lines[i], want)
			}
		}
	}
}

// A path in muster.yaml begins at its folder, wherever the edge and who asks run; what is wrong
// with such a file is said where it is named.
func TestFilesOfFilters(t *testing.T) {
	f := declared(t, `
fleet: shop
edge:
  filters:
    login: {jwt: {issuers: [{issuer: https://a.example, audience: [a], secret_file: secret}], denied: /not/there/denied}}
    keys: {apikey: {file: keys.json}}
    lists: {addresses: {deny_files: [bad, /not/there/worse]}}
services:
  web: {run: ./web, route: {path: /, filters: [login, keys, lists]}}
`)
	err := CheckEdge(f)
	if err == nil {
		t.Fatal("files that are not there are taken")
	}
	for _, want := range []string{
		"secret_file: stat " + filepath.Join(f.Dir, "secret") + ":", "denied: stat /not/there/denied:", "file: stat " + filepath.Join(f.Dir, "keys.json") + ":",
		"deny_files[0]: stat " + filepath.Join(f.Dir, "bad") + ":", "deny_files[1]: stat /not/there/worse:", "muster.yaml:6:", "muster.yaml:7:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}
