package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// Parse reads how a service is to be called, and checks it; nothing is the zero value. The
// text has the keys that stand below "calls" in muster.yaml, and means the same, as JSON:
//
//	{"timeout":"2s","routes":{"GET /v1/products/{id}":{"timeout":"300ms","hedge":{}}}}
//
// A route says what is different from its service, and null or "off" takes a policy away
// that its service has. What [Service.Encode] writes keeps those keys in "settings", where
// a route has nothing of its service. The error is an *problem.Error (invalid_argument).
func Parse(text []byte) (Service, error) {
	if len(text) == 0 {
		return Service{}, nil
	}
	s, err := parse(text)
	if err != nil {
		return Service{}, problem.New(problem.InvalidArgument, "a service's policies cannot be read: %s", err)
	}
	return s, s.Validate()
}

// wire is a service's text form. It has settings wherever a route could otherwise be taken
// for one that says what is different only.
type wire struct {
	Settings *resilience.Settings `json:"settings,omitempty"`
	Service
}

// Encode writes the policies as the registry keeps them; nil says that all is as by default.
func (s Service) Encode() ([]byte, error) {
	w := wire{Service: s}
	if len(s.Routes) > 0 || !reflect.ValueOf(s.Settings).IsZero() {
		w.Settings = &s.Settings
	}
	text, err := json.Marshal(w)
	if err != nil || string(text) == "{}" {
		return nil, err
	}
	return text, nil
}

func parse(text []byte) (s Service, err error) {
	pairs, err := object("", text, append(settingsKeys(), "settings", "priority", "balance", "limits", "routes"))
	if err != nil {
		return s, err
	}
	var routes map[string]json.RawMessage
	if err := part(pairs, "routes", &routes); err != nil {
		return s, err
	}
	whole := pairs["settings"] != nil
	read := map[string]map[string]json.RawMessage{}
	for _, pattern := range slices.Sorted(maps.Keys(routes)) {
		known := append(settingsKeys(), "settings", "priority")
		if read[pattern], err = object(fmt.Sprintf("routes.%q: ", pattern), routes[pattern], known); err != nil {
			return s, err
		}
		whole = whole || read[pattern]["settings"] != nil
	}
	if err := readRule(pairs, &s.Rule, whole); err != nil {
		return s, err
	}
	if err := readParts(pairs, &s); err != nil {
		return s, err
	}
	for pattern, pairs := range read {
		var rule Rule
		if !whole {
			rule = s.Rule.Clone()
		}
		if err := readRule(pairs, &rule, whole); err != nil {
			return s, fmt.Errorf("routes.%q: %w", pattern, err)
		}
		if s.Routes == nil {
			s.Routes = map[string]Rule{}
		}
		s.Routes[pattern] = rule
	}
	return s, nil
}

// readParts reads what a service has and a route has not.
func readParts(pairs map[string]json.RawMessage, s *Service) error {
	if _, err := object("balance: ", pairs["balance"], []string{"policy", "by"}); err != nil {
		return err
	}
	if _, err := object("limits: ", pairs["limits"], []string{"default", "from"}); err != nil {
		return err
	}
	if err := part(pairs, "balance", &s.Balance); err != nil {
		return err
	}
	if err := part(pairs, "limits", &s.Limits); err != nil {
		return err
	}
	if len(s.Limits.From) == 0 {
		s.Limits.From = nil
	}
	return nil
}

func part(pairs map[string]json.RawMessage, key string, into any) error {
	if pairs[key] == nil {
		return nil
	}
	if err := json.Unmarshal(pairs[key], into); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// readRule reads what a service and a route have; whole says that the text has it in settings.
func readRule(pairs map[string]json.RawMessage, rule *Rule, whole bool) error {
	if err := part(pairs, "priority", &rule.Priority); err != nil {
		return err
	}
	said := map[string]json.RawMessage{}
	for _, key := range settingsKeys() {
		if value := pairs[key]; value != nil {
			said[key] = value
		}
	}
	if whole {
		for key := range said {
			return fmt.Errorf("%q stands beside \"settings\"; leave \"settings\" out and write its keys in its place", key)
		}
		if pairs["settings"] == nil {
			return nil
		}
		var err error
		if said, err = object("settings: ", pairs["settings"], settingsKeys()); err != nil {
			return err
		}
	}
	return readSettings(said, &rule.Settings)
}

func readSettings(said map[string]json.RawMessage, into *resilience.Settings) error {
	for _, key := range slices.Sorted(maps.Keys(said)) {
		var word string
		if json.Unmarshal(said[key], &word) == nil && Off(key, word) {
			said[key] = json.RawMessage("null")
		}
		if err := truthful(key, said[key]); err != nil {
			return err
		}
	}
	text, err := json.Marshal(said)
	if err != nil {
		return err
	}
	return into.UnmarshalJSON(text)
}

// truthful refuses values that do not do what they say.
func truthful(key string, value json.RawMessage) error {
	var inner map[string]json.RawMessage
	if json.Unmarshal(value, &inner) == nil {
		for _, name := range slices.Sorted(maps.Keys(inner)) {
			if err := truthful(key+"."+name, inner[name]); err != nil {
				return err
			}
		}
		return nil
	}
	text := string(value)
	var word string
	if json.Unmarshal(value, &word) == nil {
		text = word
	}
	if why := Silent(key, text); why != "" {
		return fmt.Errorf("%s %s", key, why)
	}
	return nil
}

// object reads the pairs of an object of known keys; nothing has none.
func object(path string, text []byte, known []string) (map[string]json.RawMessage, error) {
	var pairs map[string]json.RawMessage
	if len(text) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &pairs); err != nil {
		return nil, fmt.Errorf("%swants an object: %w", path, err)
	}
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		if slices.Contains(known, key) {
			continue
		}
		hint := ""
		if near := problem.Nearest(key, known); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return nil, fmt.Errorf("%sunknown key %.60q%s", path, key, hint)
	}
	return pairs, nil
}

// settingsKeys are the keys of resilience.Settings.
func settingsKeys() []string {
	var keys []string
	for field := range reflect.TypeFor[resilience.Settings]().Fields() {
		keys = append(keys, field.Tag.Get("yaml"))
	}
	return keys
}
