package scene

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// How far a screenshot may be from its golden. Another build of Chromium smooths edges
// differently, which stays between the colours that meet there; what moved or is missing
// does not.
const (
	mostBeyond = 14 // levels that a pixel may be beyond those of the golden's pixel and its neighbours
	mostLess   = 64 // and the golden's beyond those of the screenshot: thin lines grow fainter
	cell       = 16 // px: pixels that differ are counted by squares
	mostInCell = 7
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
	where := apart(readGolden(t, golden), plain(got))
	if where == "" {
		return
	}
	actual := filepath.Join(t.ArtifactDir(), filepath.Base(golden))
	if err := os.WriteFile(actual, shot, 0o644); err != nil {
		t.Error(err)
	}
	t.Errorf("the page differs from %s %s: look at %s (kept with -artifacts); if it is right, run with -update", golden, where, actual)
}

func readGolden(t *testing.T, path string) *image.RGBA {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: take it with -update, and look at it", err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return plain(img)
}

func plain(img image.Image) *image.RGBA {
	out := image.NewRGBA(image.Rectangle{Max: img.Bounds().Size()})
	draw.Draw(out, out.Bounds(), img, img.Bounds().Min, draw.Src)
	return out
}

// apart says where two pictures differ visibly, "" where they do not.
func apart(want, got *image.RGBA) string {
	size := want.Bounds().Size()
	if size != got.Bounds().Size() {
		return fmt.Sprintf("in size: %v, not %v", got.Bounds().Size(), size)
	}
	wide := (size.X + cell - 1) / cell
	counts := make([]int, wide*((size.Y+cell-1)/cell))
	for y := range size.Y {
		for x := range size.X {
			i := want.PixOffset(x, y)
			if bytes.Equal(want.Pix[i:i+3], got.Pix[i:i+3]) {
				continue
			}
			if beyond(want, got, x, y) > mostBeyond || beyond(got, want, x, y) > mostLess {
				counts[y/cell*wide+x/cell]++
			}
		}
	}
	var places []string
	for i, n := range counts {
		if n > mostInCell {
			places = append(places, fmt.Sprintf("%d,%d", i%wide*cell, i/wide*cell))
		}
	}
	if len(places) == 0 {
		return ""
	}
	return fmt.Sprintf("at %d places of %d px: %s", len(places), cell, strings.Join(places[:min(len(places), 8)], " "))
}

// beyond is how many levels a pixel of b is outside of those of a's pixel and its eight
// neighbours, in the channel that is furthest.
func beyond(a, b *image.RGBA, x, y int) int {
	far := 0
	for c := range 3 {
		low, high := 255, 0
		for ny := max(0, y-1); ny <= min(a.Rect.Max.Y-1, y+1); ny++ {
			for nx := max(0, x-1); nx <= min(a.Rect.Max.X-1, x+1); nx++ {
				v := int(a.Pix[a.PixOffset(nx, ny)+c])
				low, high = min(low, v), max(high, v)
			}
		}
		v := int(b.Pix[b.PixOffset(x, y)+c])
		far = max(far, low-v, v-high)
	}
	return far
}

// copied returns a copy of a part of a picture.
func copied(img *image.RGBA, r image.Rectangle) *image.RGBA {
	out := image.NewRGBA(image.Rectangle{Max: r.Size()})
	draw.Draw(out, out.Bounds(), img, r.Min, draw.Src)
	return out
}

// smoothed is a picture as another build may draw it: a fifth of each pixel is its left
// neighbour's.
func smoothed(img *image.RGBA) *image.RGBA {
	out := copied(img, img.Bounds())
	for y := range img.Rect.Max.Y {
		for x := 1; x < img.Rect.Max.X; x++ {
			for c := range 3 {
				v, left := int(img.Pix[img.PixOffset(x, y)+c]), int(img.Pix[img.PixOffset(x-1, y)+c])
				out.Pix[out.PixOffset(x, y)+c] = uint8((4*v + left) / 5)
			}
		}
	}
	return out
}

// TestComparer proves that goldens outlive another way to smooth edges, and that they do
// not outlive an element that is missing, moved, added or of another colour.
func TestComparer(t *testing.T) {
	for _, name := range []string{"overview-wide-light", "overview-wide-dark", "queues-phone-light", "trace-wide-dark", "map-wide-light"} {
		golden := readGolden(t, filepath.Join("testdata", "golden", name+".png"))
		if where := apart(golden, smoothed(golden)); where != "" {
			t.Errorf("%s: other smoothing is a difference %s", name, where)
		}
	}
	golden := readGolden(t, filepath.Join("testdata", "golden", "queues-wide-light.png"))
	row := element(t, golden)
	fill := func(img *image.RGBA, r image.Rectangle, c color.Color) {
		draw.Draw(img, r, image.NewUniform(c), image.Point{}, draw.Src)
	}
	for what, change := range map[string]func(*image.RGBA){
		"a word is missing": func(img *image.RGBA) { fill(img, row, img.At(row.Min.X, row.Min.Y)) },
		"a word moved by 3 px": func(img *image.RGBA) {
			word := copied(img, row)
			fill(img, row, img.At(row.Min.X, row.Min.Y))
			draw.Draw(img, row.Add(image.Pt(3, 0)), word, image.Point{}, draw.Src)
		},
		"a mark of 8 px is missing":         func(img *image.RGBA) { fill(img, image.Rect(300, 300, 308, 308), color.RGBA{40, 110, 190, 255}) },
		"a badge has a faint other colour":  func(img *image.RGBA) { fill(img, image.Rect(300, 700, 340, 718), color.RGBA{227, 244, 232, 255}) },
		"the page is a line further down":   func(img *image.RGBA) { draw.Draw(img, img.Bounds(), golden, image.Pt(0, -20), draw.Src) },
		"nothing of the page could be seen": func(img *image.RGBA) { fill(img, img.Bounds(), color.White) },
	} {
		img := smoothed(golden)
		change(img)
		if apart(golden, img) == "" {
			t.Errorf("%s: it is no difference", what)
		}
	}
	if apart(golden, copied(golden, image.Rect(0, 0, 1440, 899))) == "" {
		t.Error("another size is no difference")
	}
}

// element finds a word of the page's heading: the dark pixels in its line, and what is
// around them.
func element(t *testing.T, img *image.RGBA) image.Rectangle {
	t.Helper()
	var r image.Rectangle
	for y := 20; y < 60; y++ {
		for x := 215; x < 400; x++ {
			if img.Pix[img.PixOffset(x, y)] < 100 {
				r = r.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if r.Dx() < 20 || r.Dy() < 8 {
		t.Fatalf("no heading is seen, only %v", r)
	}
	return r.Inset(-2)
}
