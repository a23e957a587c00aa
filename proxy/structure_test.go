package proxy_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// maxPackageLines is how many lines a package may have, without its tests.
	maxPackageLines = 2000
	// maxMethods is how many methods a type may have.
	maxMethods = 20
)

// packageLines are the packages with a limit of their own.
var packageLines = map[string]int{
	"proxy": 1800, // the way of one connection has to stay readable in one sitting
}

// large is the one package without limits: it is a whole TLS server from 1.0 to 1.2.
// Its records, messages and states are one state machine, and what a part of it would
// have to export is what must not be used alone.
const large = "proxy/legacytls"

// A packageSize is how large a package is, without its tests.
type packageSize struct {
	lines   int
	methods map[string]int // by type
}

// packageSizes returns the packages of the module by their path in it.
func packageSizes(t *testing.T) map[string]*packageSize {
	t.Helper()
	root := ".."
	sizes := map[string]*packageSize{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		in := filepath.ToSlash(dir)
		sizes[in] = cmp.Or(sizes[in], &packageSize{methods: map[string]int{}})
		return sizes[in].add(file)
	})
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

// add counts a file.
func (s *packageSize) add(name string) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	s.lines += files.File(file.FileStart).LineCount()
	for _, d := range file.Decls {
		if f, is := d.(*ast.FuncDecl); is && f.Recv != nil {
			s.methods[receiver(f.Recv.List[0].Type)]++
		}
	}
	return nil
}

// receiver returns the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// What a person can hold in mind: packages and types that have grown beyond that are
// parted, not excused.
func TestPackageSizes(t *testing.T) {
	t.Parallel()
	sizes := packageSizes(t)
	for _, name := range []string{"proxy", "proxy/record", "cmd/tlslift", large} {
		if s := sizes[name]; s == nil || s.lines == 0 || len(s.methods) == 0 {
			t.Errorf("found nothing of package %s: the test looks at the wrong thing", name)
		}
	}
	for name, s := range sizes {
		if name == large {
			continue
		}
		if limit := cmp.Or(packageLines[name], maxPackageLines); s.lines > limit {
			t.Errorf("package %s has %d lines without its tests; at most %d: give a part of it a package of its own", name, s.lines, limit)
		}
		for of, n := range s.methods {
			if n > maxMethods {
				t.Errorf("type %s.%s has %d methods; at most %d: give a part of it a type of its own", path.Base(name), of, n, maxMethods)
			}
		}
	}
}
