package scene

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
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
}{{"wide", 1440, 900}, {"phone", 390, 844}}

// TestGoldens compares every page, in light and dark, on a desk and on a phone, with how
// it looked when somebody last looked at it and found it good.
func TestGoldens(t *testing.T) {
	b := open(t)
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range sizes {
			b.look(size.width, size.height, scheme)
			for _, v := range views {
				t.Run(fmt.Sprintf("%s-%s-%s", v.name, size.name, scheme), func(t *testing.T) {
					b.t = t
					b.visit(v.path)
					shot := get(b, chromedp.CaptureScreenshot())
					compare(t, filepath.Join("testdata", "golden", fmt.Sprintf("%s-%s-%s.png", v.name, size.name, scheme)), shot)
					b.clean()
				})
			}
		}
	}
}

// TestShots writes what the pages look like, for people to judge.
func TestShots(t *testing.T) {
	if *shots == "" {
		t.Skip("-shots FOLDER writes screenshots")
	}
	b := open(t)
	all := append([]struct {
		name          string
		width, height int64
	}{{"huge", 2560, 1440}, {"tiny", 320, 640}}, sizes...)
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

// How far a screenshot may be from its golden: fonts are drawn a little differently from
// one version of the browser to the next.
const (
	mostApart = 40     // of a pixel's channel, of 255
	mostShare = 0.0025 // of the pixels that are further apart
)

func compare(t *testing.T, golden string, shot []byte) {
	t.Helper()
	got, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		var out bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, got); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	f, err := os.Open(golden)
	if err != nil {
		t.Fatalf("%v: take it with -update, and look at it", err)
	}
	defer f.Close()
	want, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	share := apart(want, got)
	if share <= mostShare {
		return
	}
	actual := filepath.Join(t.ArtifactDir(), filepath.Base(golden))
	if err := os.WriteFile(actual, shot, 0o644); err != nil {
		t.Error(err)
	}
	t.Errorf("%.2f %% of the pixels differ from %s (allowed %.2f %%): look at %s (kept with -artifacts); if it is right, run with -update", share*100, golden, mostShare*100, actual)
}

// apart returns the share of pixels in which two pictures differ visibly; 1 for pictures
// of different sizes.
func apart(a, b image.Image) float64 {
	if a.Bounds().Size() != b.Bounds().Size() {
		return 1
	}
	n := 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r, g, bl, _ := a.At(x, y).RGBA()
			r2, g2, bl2, _ := b.At(x, y).RGBA()
			if far(r, r2) || far(g, g2) || far(bl, bl2) {
				n++
			}
		}
	}
	return float64(n) / float64(a.Bounds().Dx()*a.Bounds().Dy())
}

func far(a, b uint32) bool { return max(a, b)-min(a, b) > mostApart*0x101 }
