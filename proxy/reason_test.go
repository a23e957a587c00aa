package proxy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every constant of type Reason is in the closed set and is explained.
func TestReasonsAreClosedAndExplained(t *testing.T) {
	t.Parallel()
	declared := declaredReasons(t)
	if len(declared) < 40 {
		t.Fatalf("found only %d reasons in reason.go", len(declared))
	}
	all := Reasons()
	for _, r := range declared {
		if !slices.Contains(all, r) {
			t.Errorf("%s is not in Reasons()", r)
		}
	}
	for _, r := range all {
		if !slices.Contains(declared, r) {
			t.Errorf("Reasons() has %s, which is not declared", r)
		}
		for _, sentence := range []string{r.Cause(), r.Remedy()} {
			if !strings.HasSuffix(sentence, ".") || strings.Count(sentence, ". ") > 0 {
				t.Errorf("%s: %q is not one sentence", r, sentence)
			}
		}
	}
	if len(explanations) != len(all) {
		t.Errorf("%d explanations for %d reasons", len(explanations), len(all))
	}
}

func declaredReasons(t *testing.T) []Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []Reason
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Reason" {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, Reason(value))
		return true
	})
	return found
}
