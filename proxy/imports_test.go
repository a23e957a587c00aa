package proxy_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tlslift/tlslift"

// arrows is the whole import graph of our packages: who may import whom.
// Leaves import nothing of ours.
var arrows = map[string][]string{
	"cmd/tlslift":        {"metrics", "metrics/inventory", "metrics/statuspage", "proxy", "proxy/clientfile", "proxy/endpoints", "proxy/listener", "proxy/localca", "proxy/origdst", "proxy/policy", "proxy/record", "proxy/standin", "proxy/upstream"},
	"cmd/tlslift/e2e":    {},
	"metrics/inventory":  {"proxy/record"},
	"metrics/statuspage": {"metrics/inventory", "proxy/listener", "proxy/record"},
	"metrics":            {"proxy/record"},
	"proxy":              {"proxy/clienthello", "proxy/clientfile", "proxy/legacytls", "proxy/listener", "proxy/localca", "proxy/origdst", "proxy/policy", "proxy/prologue", "proxy/record", "proxy/upstream"},
	"proxy/clienthello":  {},
	"proxy/endpoints":    {},
	"proxy/legacytls":    {},
	"proxy/origdst":      {},
	"proxy/localca":      {"proxy/atomicfile"},
	"proxy/policy":       {},
	"proxy/listener":     {"proxy/policy", "proxy/record"},
	"proxy/prologue":     {"proxy/record"},
	"proxy/record":       {},
	"proxy/standin":      {},
	"proxy/upstream":     {},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportGraph(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		allowed, known := arrows[name]
		if !known {
			t.Errorf("package %s is not in the import graph: add it with its arrows", name)
		}
		seen[name] = true
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module+"/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which the design does not allow", name, ours)
			}
		}
	}
	for name := range arrows {
		if !seen[name] {
			t.Errorf("the import graph has %s, which does not exist", name)
		}
	}
}

// Each third-party module is imported by one package, so that replacing it is
// a change in one place.
func TestEachModuleHasOneImporter(t *testing.T) {
	t.Parallel()
	importers := map[string][]string{}
	for _, p := range listPackages(t) {
		mods := map[string]bool{}
		for _, i := range p.Imports {
			host, _, _ := strings.Cut(i, "/")
			if !strings.Contains(host, ".") || strings.HasPrefix(i, module) {
				continue
			}
			parts := strings.SplitN(i, "/", 4)
			mods[strings.Join(parts[:min(3, len(parts))], "/")] = true
		}
		for m := range mods {
			importers[m] = append(importers[m], strings.TrimPrefix(p.ImportPath, module+"/"))
		}
	}
	for m, by := range importers {
		if len(by) > 1 {
			t.Errorf("%s is imported by %s; one package should", m, strings.Join(by, ", "))
		}
	}
	if len(importers) == 0 {
		t.Error("found no third-party module at all: the test looks at the wrong thing")
	}
}
