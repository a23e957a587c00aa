package upstream

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"slices"
	"strconv"
	"testing"
)

// TestKinds reads error.go to prove that Kinds is the whole set.
func TestKinds(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []Kind
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is || len(spec.Values) != 1 {
			return true
		}
		if typ, is := spec.Type.(*ast.Ident); is && typ.Name == "Kind" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			declared = append(declared, Kind(text))
		}
		return true
	})
	if !slices.Equal(declared, Kinds()) {
		t.Errorf("declared are %v, Kinds returns %v", declared, Kinds())
	}
	Kinds()[0] = "changed"
	if Kinds()[0] != NameNotFound {
		t.Error("a caller can change the set")
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	err := &Error{Kind: Refused, Destination: "mail.example.com:443", Err: io.ErrClosedPipe}
	if got, want := err.Error(), "reaching mail.example.com:443: io: read/write on closed pipe"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Error("the cause is not wrapped")
	}
	if got := Refused.String(); got != "refused" {
		t.Errorf("got kind %q", got)
	}
}
