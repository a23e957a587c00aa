package testenv

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An Assembly is a file of assembly, and the program that writes it: a module of its own in
// the folder asm beside it.
type Assembly struct {
	Package   string
	File      string // with the assembly
	Stubs     string // with its functions in Go
	Functions int    // how many there are
}

// WantGenerated runs the generator again, and fails the test if the files are other ones.
func (a Assembly) WantGenerated(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "asm"), os.DirFS("asm")); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = filepath.Join(dir, "asm")
		return cmd.CombinedOutput()
	}
	if out, err := run("go", "mod", "download"); err != nil {
		Missing(t, "the modules of the generator are not here: "+string(out))
	}
	if out, err := run("go", "run", ".", "-out", "../"+a.File, "-stubs", "../"+a.Stubs, "-pkg", a.Package); err != nil {
		t.Fatalf("running the generator: %v\n%s", err, out)
	}
	for _, name := range []string{a.File, a.Stubs} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if want, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what go generate ./proxy/%s writes, %v", name, a.Package, err)
		}
	}
}

// An Instruction has a name, and operands of which the last one is written.
type Instruction struct {
	Name     string
	Operands []string
	Line     string
}

// Target returns the operand that is written; empty if there is none.
func (i Instruction) Target() string {
	if len(i.Operands) == 0 {
		return ""
	}
	return i.Operands[len(i.Operands)-1]
}

// Instructions returns those of each function.
func (a Assembly) Instructions(t *testing.T) map[string][]Instruction {
	t.Helper()
	text, err := os.ReadFile(a.File)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]Instruction{}
	var name string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		first, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || line[0] == '/' || line[0] == '#' || strings.HasSuffix(line, ":"):
		case first == "TEXT":
			name, _, _ = strings.Cut(rest, "(")
		default:
			i := Instruction{Name: first, Line: line}
			for operand := range strings.SplitSeq(rest, ",") {
				if operand = strings.TrimSpace(operand); operand != "" {
					i.Operands = append(i.Operands, operand)
				}
			}
			all[name] = append(all[name], i)
		}
	}
	if len(all) != a.Functions {
		t.Fatalf("found %d functions", len(all))
	}
	return all
}

// Assembled is Instructions for a file with macros: those that the assembler makes of it.
func (a Assembly) Assembled(t *testing.T) map[string][]Instruction {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	include := filepath.Join(strings.TrimSpace(string(root)), "pkg", "include")
	cmd := exec.CommandContext(t.Context(), "go", "tool", "asm", "-S", "-p", a.Package, "-I", include,
		"-o", filepath.Join(t.TempDir(), "assembled"), a.File)
	cmd.Env = append(os.Environ(), "GOARCH=amd64")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running the assembler: %v\n%s", err, out)
	}
	all := map[string][]Instruction{}
	var name string
	for line := range strings.Lines(string(out)) {
		// Offsets and place, name, operands; all else is no instruction.
		parts := strings.Split(strings.TrimSpace(line), "\t")
		switch {
		case len(parts) < 2 || !strings.Contains(parts[0], a.File+":"):
		case parts[1] == "TEXT":
			name, _, _ = strings.Cut(parts[2], "(")
		case parts[1] != "FUNCDATA" && parts[1] != "PCDATA":
			i := Instruction{Name: parts[1], Line: strings.Join(parts[1:], " ")}
			if len(parts) > 2 {
				i.Operands = strings.Split(parts[2], ", ")
			}
			all[name] = append(all[name], i)
		}
	}
	if len(all) != a.Functions {
		t.Fatalf("found %d functions", len(all))
	}
	return all
}
