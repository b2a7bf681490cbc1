package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"
)

// State finds init functions and package variables that change: what a reader
// cannot see at the place where it acts. A variable counts as changing when it is
// a lock, an atomic or a channel, or when any function of the package assigns to
// it, deletes from it or takes its address. Tables that are only read are fine, and
// so are generated files and tests. exceptions is keyed as in [Exceptions].
func State(t *Tree, exceptions map[string]string) []Finding {
	var found []Finding
	used := map[string]bool{}
	for _, p := range t.Packages {
		for _, s := range t.stateOf(p) {
			key := p.Folder + "." + s.name
			if _, excepted := exceptions[key]; excepted {
				used[key] = true
				continue
			}
			pos := t.fset.Position(s.pos)
			found = append(found, Finding{fmt.Sprintf("%s:%d", pos.Filename, pos.Line), s.what})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(exceptions)) {
		if !used[key] {
			found = append(found, Finding{"internal/archtest/floors.go", fmt.Sprintf("the exception %q is needed by nothing any more; delete it", key)})
		}
	}
	return found
}

type state struct {
	name string
	pos  token.Pos
	what string
}

func (t *Tree) stateOf(p Package) []state {
	var syntax []*ast.File
	generated := map[string]bool{}
	for _, f := range p.Files {
		if !f.Test {
			syntax = append(syntax, f.syntax)
			generated[f.Path] = f.Generated
		}
	}
	var found []state
	info := resolve(t.fset, p.Folder, syntax)
	changed := changes(syntax, info)
	for _, f := range syntax {
		if generated[t.fset.Position(f.Pos()).Filename] {
			continue
		}
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					found = append(found, state{"init", d.Pos(), "an init function runs unseen; call it from where it is needed"})
				}
			case *ast.GenDecl:
				found = append(found, variables(d, info, changed)...)
			}
		}
	}
	return found
}

// variables returns the changing ones among those a declaration declares.
func variables(d *ast.GenDecl, info *types.Info, changed map[types.Object]bool) []state {
	if d.Tok != token.VAR {
		return nil
	}
	var found []state
	for _, spec := range d.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		guarded := mutable(v)
		for _, name := range v.Names {
			if name.Name != "_" && (guarded || changed[info.Defs[name]]) {
				found = append(found, state{name.Name, name.Pos(), fmt.Sprintf("package variable %s holds state; put it in a value that its users are given", name.Name)})
			}
		}
	}
	return found
}

// mutable reports whether a declaration is of a kind that exists to be changed.
func mutable(v *ast.ValueSpec) bool {
	found := false
	look := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false // what it declares is its own
		case *ast.ChanType:
			found = true
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if ok && (x.Name == "atomic" || x.Name == "sync" && slices.Contains([]string{"Mutex", "RWMutex", "Once", "Map", "WaitGroup", "Cond"}, n.Sel.Name)) {
				found = true
			}
		}
		return !found
	}
	if _, isFunc := v.Type.(*ast.FuncType); v.Type != nil && !isFunc {
		ast.Inspect(v.Type, look)
	}
	for _, value := range v.Values {
		ast.Inspect(value, look)
	}
	return found
}

// resolve binds each identifier to its declaration. Imported packages are left
// empty: their names resolve to nothing, which does not concern us, and the errors
// that follow are dropped. So code that does not compile yet can be read too.
func resolve(fset *token.FileSet, folder string, files []*ast.File) *types.Info {
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: empty{}, Error: func(error) {}, FakeImportC: true}
	//nolint:errcheck // see above: half the names are missing on purpose
	conf.Check(folder, fset, files, info)
	return info
}

// empty is an importer whose packages declare nothing.
type empty struct{}

// Import returns an empty package named like the last word of its path that is not a version.
func (empty) Import(name string) (*types.Package, error) {
	word := path.Base(name)
	if len(word) > 1 && word[0] == 'v' && strings.Trim(word[1:], "0123456789") == "" {
		word = path.Base(path.Dir(name))
	}
	p := types.NewPackage(name, word)
	p.MarkComplete()
	return p, nil
}

// changes collects the package variables that some function writes to.
func changes(files []*ast.File, info *types.Info) map[types.Object]bool {
	changed := map[types.Object]bool{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			for _, e := range written(n) {
				if v, ok := info.Uses[root(e)].(*types.Var); ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
					changed[v] = true
				}
			}
			return true
		})
	}
	return changed
}

// written returns the expressions that a node changes, or lets others change.
func written(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if fn, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && (fn.Name == "delete" || fn.Name == "clear") {
			return n.Args[:1]
		}
	}
	return nil
}

// root returns the identifier an expression starts from: a in a.b[c].d, else nil.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
