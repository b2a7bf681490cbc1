package strictyaml

import (
	"encoding/json"
	"math"
	"strconv"
)

// Plain returns the node as encoding/json reads JSON: a map[string]any, a []any, a string, a
// json.Number, a bool or nil. at, if it is not nil, is told where each value stands, by its
// path, such as "keys[2].name"; "" is the node itself.
func (n *Node) Plain(at func(path string, place Place)) any { return n.plain("", at) }

func (n *Node) plain(path string, at func(string, Place)) any {
	if at != nil {
		at(path, n.Place)
	}
	switch n.Kind {
	case Map:
		m := make(map[string]any, len(n.Pairs))
		for _, p := range n.Pairs {
			below := p.Name
			if path != "" {
				below = path + "." + p.Name
			}
			m[p.Name] = p.Value.plain(below, at)
			if at != nil {
				at(below, p.Place)
			}
		}
		return m
	case List:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = item.plain(path+"["+strconv.Itoa(i)+"]", at)
		}
		return list
	}
	switch n.scalar {
	case typeNull:
		return nil
	case typeBool:
		yes, _ := strconv.ParseBool(n.Value)
		return yes
	case typeInt:
		if i, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return json.Number(strconv.FormatInt(i, 10))
		}
	case typeFloat:
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
		}
	}
	return n.Value
}
