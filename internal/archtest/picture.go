package archtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Box is one frame of the picture: the folders it holds and what they are for.
type Box struct {
	Name  string // as other boxes refer to it
	Title string
	Holds string // a pattern; the longest match over all boxes counts; "" is the rest
}

// Boxes names the frames. Where they stand, what is in them and what they import
// is read from the import graph.
func Boxes() []Box {
	return []Box{
		{Name: "library", Title: "the library: what a service imports", Holds: ""},
		{Name: "drivers", Title: "drivers: a module each, handed to Main by value", Holds: "drivers/..."},
		{Name: "shop", Title: "shop: the reference application", Holds: "shop/..."},
		{Name: "platform", Title: "platform: what the binary runs", Holds: "platform/..."},
		{Name: "mustertest", Title: "mustertest: the platform inside a test", Holds: "mustertest/..."},
		{Name: "proof", Title: "proof: histories and crash points of the whole", Holds: "proof/..."},
		{Name: "bench", Title: "bench: measures the binary from outside", Holds: "bench/..."},
		{Name: "muster", Title: "bin/muster: one file a subcommand", Holds: "platform/cmd/..."},
	}
}

// The lines in the README between which the picture stands.
const (
	PictureBegin = "<!-- floors: drawn by go test ./internal/archtest -update -->"
	PictureEnd   = "<!-- end of floors -->"
)

// Splice replaces what stands between the picture's markers in text.
func Splice(text, picture string) (string, error) {
	before, rest, ok := strings.Cut(text, PictureBegin)
	_, after, closed := strings.Cut(rest, PictureEnd)
	if !ok || !closed {
		return "", fmt.Errorf("the markers %q and %q are missing or in the wrong order", PictureBegin, PictureEnd)
	}
	return before + PictureBegin + "\n```text\n" + picture + "```\n" + PictureEnd + after, nil
}

// Draw renders the floors from the import graph: a box stands above every box it
// imports, and within a box a chapter (a folder, with its folders in brackets)
// stands above those it imports. Tests and internal packages are left out.
func Draw(t *Tree, boxes []Box) string {
	arrows := graph{}              // between boxes
	within := map[string]graph{}   // between the chapters of a box
	parts := map[string][]string{} // the folders of a chapter, named by box and chapter
	for from, imports := range graphOf(t) {
		box := boxFor(boxes, from)
		if within[box.Name] == nil {
			within[box.Name] = graph{}
		}
		chapter, part := box.chapter(from)
		parts[box.Name+" "+chapter] = append(parts[box.Name+" "+chapter], part)
		within[box.Name].add(chapter)
		arrows.add(box.Name)
		for to := range imports {
			if other := boxFor(boxes, to); other.Name != box.Name {
				arrows.add(box.Name, other.Name)
			} else if below, _ := box.chapter(to); below != chapter {
				within[box.Name].add(chapter, below)
			}
		}
	}
	var b strings.Builder
	for _, rank := range slices.Backward(arrows.ranks()) {
		for _, name := range rank {
			i := slices.IndexFunc(boxes, func(x Box) bool { return x.Name == name })
			var rows [][]string
			for _, chapters := range slices.Backward(within[name].ranks()) {
				var row []string
				for _, chapter := range chapters {
					row = append(row, label(chapter, parts[name+" "+chapter]))
				}
				rows = append(rows, row)
			}
			frame(&b, boxes[i].Title, rows, slices.Sorted(maps.Keys(arrows[name])))
		}
	}
	return b.String()
}

// label names a chapter and its folders: call (balance discovery).
func label(chapter string, parts []string) string {
	slices.Sort(parts)
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	if len(parts) == 0 {
		return chapter
	}
	return chapter + " (" + strings.Join(parts, " ") + ")"
}

// frame draws one box.
func frame(b *strings.Builder, title string, rows [][]string, imports []string) {
	const width = 78
	line := func(left, text, fill, right string) {
		b.WriteString(left + text + strings.Repeat(fill, max(0, width-utf8.RuneCountInString(text))) + right + "\n")
	}
	line("┌", "─ "+title+" ", "─", "┐")
	for _, row := range rows {
		for text := range strings.Lines(wrap(row, width-2)) {
			line("│", strings.TrimSuffix(text, "\n"), " ", "│")
		}
	}
	foot := " imports nothing of Muster "
	if len(imports) > 0 {
		foot = " imports " + strings.Join(imports, ", ") + " "
	}
	line("└", "─"+foot, "─", "┘")
}

// wrap sets labels side by side in lines of at most width, which one label alone
// may also be broken by.
func wrap(labels []string, width int) string {
	var b strings.Builder
	used := 0
	put := func(before, word string) {
		if n := utf8.RuneCountInString(before + word); used == 0 || used+n <= width {
			used += n
		} else {
			before = "\n      "
			used = utf8.RuneCountInString(word) + 6
		}
		b.WriteString(before + word)
	}
	for _, label := range labels {
		if used > 0 && used+3+utf8.RuneCountInString(label) > width {
			b.WriteString("\n")
			used = 0
		}
		before := "   "
		for word := range strings.FieldsSeq(label) {
			put(before, word)
			before = " "
		}
	}
	return b.String()
}

// chapter splits a folder of the box into its first word and the rest.
func (b Box) chapter(folder string) (chapter, part string) {
	if folder == "." {
		return "package muster", ""
	}
	tree := strings.TrimSuffix(b.Holds, "/...")
	if folder == tree {
		return tree, ""
	}
	chapter, part, _ = strings.Cut(strings.TrimPrefix(folder, tree+"/"), "/")
	return chapter, part
}

// boxFor returns the box that holds folder.
func boxFor(boxes []Box, folder string) Box {
	best := Box{}
	for _, b := range boxes {
		if (b.Holds == "" || matches(b.Holds, folder)) && len(b.Holds) >= len(best.Holds) {
			best = b
		}
	}
	return best
}

// graph is a set of arrows between names. Every name that is pointed to is a key.
type graph map[string]map[string]bool

func (g graph) add(from string, to ...string) {
	if g[from] == nil {
		g[from] = map[string]bool{}
	}
	for _, name := range to {
		g[from][name] = true
		g.add(name)
	}
}

// graphOf returns the arrows between folders, as the code that is not test has them.
func graphOf(t *Tree) graph {
	g := graph{}
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if f.Test || strings.Contains(p.Folder+"/", "internal/") {
				continue
			}
			g.add(p.Folder)
			for _, i := range f.Imports {
				if i.Folder != p.Folder && !strings.Contains(i.Folder+"/", "internal/") {
					g.add(p.Folder, i.Folder)
				}
			}
		}
	}
	return g
}

// ranks orders the names from those that point nowhere upwards; a name's rank is one
// above the highest it points to. Names on a cycle are ranked as if it were cut.
func (g graph) ranks() [][]string {
	rank := map[string]int{}
	var of func(name string) int
	of = func(name string) int {
		if r, known := rank[name]; known {
			return r
		}
		rank[name] = 0
		highest := -1
		for _, to := range slices.Sorted(maps.Keys(g[name])) {
			highest = max(highest, of(to))
		}
		rank[name] = highest + 1
		return highest + 1
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(g)) {
		r := of(name)
		for len(rows) <= r {
			rows = append(rows, nil)
		}
		rows[r] = append(rows[r], name)
	}
	return rows
}
