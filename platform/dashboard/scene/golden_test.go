package scene

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
)

var (
	update = flag.Bool("update", false, "write the screenshots as the new goldens")
	shots  = flag.String("shots", "", "TestShots writes screenshots of every page, width and scheme to this folder")
	only   = flag.String("only", "", "the only page that TestShots takes")
)

// views are the pages as they are looked at.
var views = []struct{ name, path string }{
	{"overview", "/"},
	{"map", "/map?window=15m"},
	{"map-selected", "/map?window=15m&service=orders"},
	{"traces", "/traces"},
	{"trace", "/traces/" + slowTrace()},
	{"logs", "/logs"},
	{"metrics", "/explore"},
	{"metrics-week", "/explore?q=sum+by+(job)+(process_memory_usage_bytes)&range=7d&refresh=off"},
	{"metrics-units", "/explore?q=histogram_quantile(0.99,+sum+by+(job,+le)+(rate(http_server_request_duration_seconds_bucket[5m])))&q=sum(process_memory_usage_bytes)&range=1h&refresh=off"},
	{"sagas", "/sagas"},
	{"saga", "/sagas/orders/checkout/o-77120"},
	{"queues", "/queues"},
	{"registry", "/registry"},
	{"health", "/health"},
}

// slowTrace names the order that waited for the card processor.
func slowTrace() string {
	var id string
	for _, s := range day().spans {
		if s.Service == "card" && s.Duration > 4e9 {
			id = s.Trace.String()
		}
	}
	return id
}

var sizes = []struct {
	name          string
	width, height int64
	also          []int64 // widths which the page fits, too
}{{"wide", 1440, 900, []int64{2560, 1024, 768}}, {"phone", 390, 844, []int64{320}}}

// TestGoldens compares every page, in light and dark, on a desk and on a phone, with how
// it looked when somebody last looked at it and found it good. axe-core finds nothing
// serious on it, and it is no wider than screens from a small phone to a large desk.
func TestGoldens(t *testing.T) {
	b := open(t)
	for _, v := range views {
		for _, size := range sizes {
			for i, scheme := range []string{"light", "dark"} {
				t.Run(fmt.Sprintf("%s-%s-%s", v.name, size.name, scheme), func(t *testing.T) {
					b.t = t
					b.look(size.width, size.height, scheme)
					rules := ""
					if i == 0 {
						b.visit(v.path)
					} else { // as when a person switches: only the colours are others
						b.settled()
						rules = `runOnly: ['color-contrast']`
					}
					eval[any](b, `document.querySelectorAll('.query-took').forEach((e) => { e.style.visibility = 'hidden'; })`) // a time that was taken
					compare(t, filepath.Join("testdata", "golden", fmt.Sprintf("%s-%s-%s.png", v.name, size.name, scheme)), get(b, chromedp.CaptureScreenshot()))
					b.fits()
					b.axe(rules)
					b.clean()
				})
			}
			b.t = t
			for _, width := range size.also {
				b.look(width, 900, "light")
				b.settled()
				b.fits()
			}
			b.clean()
		}
	}
}

// TestShots writes what the pages look like, for people to judge.
func TestShots(t *testing.T) {
	if *shots == "" {
		t.Skip("-shots FOLDER writes screenshots")
	}
	b := open(t)
	all := slices.Clone(sizes)
	for _, extra := range []int64{2560, 320} {
		all = append(all, sizes[0])
		all[len(all)-1].name, all[len(all)-1].width = strconv.FormatInt(extra, 10), extra
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range all {
			b.look(size.width, size.height, scheme)
			for _, v := range views {
				if *only != "" && *only != v.name {
					continue
				}
				b.visit(v.path)
				shot := get(b, chromedp.FullScreenshot(100))
				if err := os.WriteFile(filepath.Join(*shots, fmt.Sprintf("%s-%s-%s.png", v.name, size.name, scheme)), shot, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	b.clean()
}
