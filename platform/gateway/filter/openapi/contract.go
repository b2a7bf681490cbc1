package openapi

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// contract is a compiled document.
type contract struct {
	bases []string // without a slash at the end
	paths *place
}

// place is a place in the tree of paths. A literal segment wins over one with parameters.
type place struct {
	literal    map[string]*place
	patterns   []*pattern
	operations map[string]*operation // by method
}

// pattern is a segment with parameters: {id}, {name}.json, {id}:cancel.
type pattern struct {
	text  string
	re    *regexp.Regexp
	names []string
	next  *place
}

const maxOperations = 5_000

var methods = map[string]string{
	"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "options": "OPTIONS", "head": "HEAD", "patch": "PATCH", "trace": "TRACE", "query": "QUERY",
}

// parse compiles a contract. base stands for its servers where it is set.
func parse(data []byte, base string) (*contract, error) {
	d, err := load(data)
	if err != nil {
		return nil, err
	}
	c := &contract{bases: bases(d.root, base), paths: &place{}}
	paths, _ := d.root["paths"].(map[string]any)
	count := 0
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if strings.HasPrefix(path, "x-") {
			continue
		}
		item, pointer, err := d.at(below("/paths", path))
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(methods)) {
			if item[name] == nil {
				continue
			}
			if count++; count > maxOperations {
				return nil, fmt.Errorf("it has more than %d operations", maxOperations)
			}
			op, err := newOperation(d, methods[name], path, pointer, below(pointer, name))
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", methods[name], path, err)
			}
			if err := c.paths.add(path, op); err != nil {
				return nil, fmt.Errorf("%s %s: %w", methods[name], path, err)
			}
		}
	}
	if count == 0 {
		return nil, errors.New("it has no operation")
	}
	return c, nil
}

// bases returns below which paths the contract's lie.
func bases(root map[string]any, told string) []string {
	if told != "" {
		return []string{strings.TrimSuffix(told, "/")}
	}
	var list []string
	servers, _ := root["servers"].([]any)
	for _, s := range servers {
		server, _ := s.(map[string]any)
		text, _ := server["url"].(string)
		if u, err := url.Parse(text); err == nil && !strings.ContainsAny(u.Path, "{}") {
			list = append(list, strings.TrimSuffix("/"+strings.Trim(u.Path, "/"), "/"))
		}
	}
	slices.Sort(list)
	if list = slices.Compact(list); len(list) == 0 {
		return []string{""}
	}
	slices.Reverse(list) // the longest of those that begin alike comes first
	return list
}

func (p *place) add(path string, op *operation) error {
	if path == "" || path[0] != '/' {
		return errors.New(`a path begins with "/"`)
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		next, err := p.step(segment)
		if err != nil {
			return err
		}
		p = next
	}
	if p.operations == nil {
		p.operations = map[string]*operation{}
	}
	if p.operations[op.method] != nil {
		return fmt.Errorf("it is %s once more", p.operations[op.method].name)
	}
	p.operations[op.method] = op
	return nil
}

var braces = regexp.MustCompile(`\{([^{}]+)\}`)

func (p *place) step(segment string) (*place, error) {
	if !strings.ContainsAny(segment, "{}") {
		if p.literal == nil {
			p.literal = map[string]*place{}
		}
		if p.literal[segment] == nil {
			p.literal[segment] = &place{}
		}
		return p.literal[segment], nil
	}
	for _, known := range p.patterns {
		if known.text == segment {
			return known.next, nil
		}
	}
	one := &pattern{text: segment, next: &place{}}
	var re strings.Builder
	from := 0
	for _, at := range braces.FindAllStringSubmatchIndex(segment, -1) {
		re.WriteString(regexp.QuoteMeta(segment[from:at[0]]) + `(.+?)`)
		one.names = append(one.names, segment[at[2]:at[3]])
		from = at[1]
	}
	if rest := segment[from:]; len(one.names) == 0 || strings.ContainsAny(rest, "{}") {
		return nil, fmt.Errorf("the segment %.80q has braces that are no parameter", segment)
	}
	compiled, err := regexp.Compile(`^` + re.String() + regexp.QuoteMeta(segment[from:]) + `$`)
	if err != nil {
		return nil, err
	}
	one.re = compiled
	p.patterns = append(p.patterns, one)
	slices.SortStableFunc(p.patterns, func(a, b *pattern) int { return len(b.re.String()) - len(a.re.String()) }) // the most said wins
	return one.next, nil
}

// find returns the operation of a request and the values of its path's parameters; else the
// methods that the contract has at that path.
func (c *contract) find(method, path string) (op *operation, values map[string]string, allow []string) {
	for _, base := range c.bases {
		rest, ok := strings.CutPrefix(path, base)
		if !ok || rest == "" || rest[0] != '/' {
			continue
		}
		found := map[string]bool{}
		if op, values = c.paths.find(method, rest[1:], map[string]string{}, found); op != nil {
			return op, values, nil
		}
		if len(found) > 0 {
			return nil, nil, slices.Sorted(maps.Keys(found))
		}
	}
	return nil, nil, nil
}

func (p *place) find(method, rest string, values map[string]string, allow map[string]bool) (*operation, map[string]string) {
	segment, tail, more := strings.Cut(rest, "/")
	if next := p.literal[segment]; next != nil {
		if op, got := next.arrive(method, tail, more, values, allow); op != nil {
			return op, got
		}
	}
	for _, one := range p.patterns {
		match := one.re.FindStringSubmatch(segment)
		if match == nil {
			continue
		}
		with := maps.Clone(values)
		for i, name := range one.names {
			with[name] = match[i+1]
		}
		if op, got := one.next.arrive(method, tail, more, with, allow); op != nil {
			return op, got
		}
	}
	return nil, nil
}

func (p *place) arrive(method, tail string, more bool, values map[string]string, allow map[string]bool) (*operation, map[string]string) {
	if more {
		return p.find(method, tail, values, allow)
	}
	for name := range p.operations {
		allow[name] = true
	}
	if op := p.operations[method]; op != nil {
		return op, values
	}
	if op := p.operations["GET"]; method == "HEAD" && op != nil {
		return op, values
	}
	return nil, nil
}
