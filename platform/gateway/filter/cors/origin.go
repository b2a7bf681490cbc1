package cors

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// origins is a set of origins: scheme://host or scheme://host:port, as browsers write them.
type origins struct {
	any   bool
	exact map[string]bool
	below []wildcard
}

// wildcard is https://*.example.com:8443: all names below one, at any depth.
type wildcard struct{ before, after string }

// add adds an origin as the configuration has it.
func (o *origins) add(text string) error {
	if o.exact == nil {
		o.exact = map[string]bool{}
	}
	switch text {
	case "*":
		o.any = true
		return nil
	case "null": // of sandboxed frames and files
		o.exact[text] = true
		return nil
	}
	before, after, wild := strings.Cut(text, "*")
	plain := text
	if wild {
		plain = before + "x" + after
		if !strings.HasSuffix(before, "://") || !strings.HasPrefix(after, ".") || strings.Contains(after, "*") {
			return fmt.Errorf("%.80q: a * stands for all names below one, as in https://*.example.com, or alone for all origins", text)
		}
	}
	u, err := url.Parse(plain)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme+"://"+u.Host != plain || strings.ToLower(plain) != plain {
		return fmt.Errorf("%.80q is not an origin: write https://app.example.com, in small letters, with a port if it is not the scheme's, and nothing after it", text)
	}
	if standard := map[string]string{"http": "80", "https": "443"}[u.Scheme]; standard != "" && u.Port() == standard {
		return fmt.Errorf("%.80q: browsers do not write the port %s, which is the scheme's own: leave it out", text, standard)
	}
	if wild {
		o.below = append(o.below, wildcard{before, after})
	} else {
		o.exact[text] = true
	}
	return nil
}

// has reports whether an origin is in the set.
func (o *origins) has(origin string) bool {
	return o.any || o.exact[origin] || slices.ContainsFunc(o.below, func(w wildcard) bool { return w.has(origin) })
}

func (w wildcard) has(origin string) bool {
	name, ok := strings.CutPrefix(origin, w.before)
	if !ok {
		return false
	}
	if name, ok = strings.CutSuffix(name, w.after); !ok || name == "" || name[0] == '.' || name[len(name)-1] == '.' {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}
