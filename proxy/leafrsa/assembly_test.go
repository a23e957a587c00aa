package leafrsa_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

const assembly = "ifma_amd64.s"

// TestAssemblyIsGenerated runs the generator again.
func TestAssemblyIsGenerated(t *testing.T) {
	t.Parallel()
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
		testenv.Missing(t, "the modules of the generator are not here: "+string(out))
	}
	if out, err := run("go", "run", ".", "-out", "../"+assembly, "-stubs", "../ifma_amd64.go", "-pkg", "leafrsa"); err != nil {
		t.Fatalf("running the generator: %v\n%s", err, out)
	}
	for _, name := range []string{assembly, "ifma_amd64.go"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if want, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what go generate ./proxy/leafrsa writes, %v", name, err)
		}
	}
}

// An instruction has a name, and operands of which the last one is written.
type instruction struct {
	name     string
	operands []string
	line     string
}

func (i instruction) target() string {
	if len(i.operands) == 0 {
		return ""
	}
	return i.operands[len(i.operands)-1]
}

// functions returns the instructions of each function.
func functions(t *testing.T) map[string][]instruction {
	t.Helper()
	text, err := os.ReadFile(assembly)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]instruction{}
	var name string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		first, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || line[0] == '/' || line[0] == '#' || strings.HasSuffix(line, ":"):
		case first == "TEXT":
			name, _, _ = strings.Cut(rest, "(")
		default:
			i := instruction{name: first, line: line}
			for operand := range strings.SplitSeq(rest, ",") {
				if operand = strings.TrimSpace(operand); operand != "" {
					i.operands = append(i.operands, operand)
				}
			}
			all[name] = append(all[name], i)
		}
	}
	if len(all) != 3 {
		t.Fatalf("found %d functions", len(all))
	}
	return all
}

// constantTime are instructions that take as long for all operands.
var constantTime = strings.Fields(`
	MOVL MOVQ ADDQ ADCQ ANDQ ORQ XORQ SHLQ SHRQ DECQ IMULQ MULXQ KMOVW
	VMOVQ VMOVDQA64 VMOVDQU64 VPBROADCASTQ VPTERNLOGQ VPXORQ VPANDQ VPADDQ VPSUBQ VPSRLQ VALIGNQ
	VPMADD52LUQ VPMADD52HUQ VPCMPUQ VPCMPEQQ VZEROALL JNZ RET`)

var (
	memory    = regexp.MustCompile(`^-?\d*\((\w+)\)$`)
	argument  = regexp.MustCompile(`^\w+\+\d+\(FP\)$`)
	immediate = regexp.MustCompile(`^\$0x[0-9a-f]+$`)
)

// TestAssemblyIsConstantTime checks that addresses are arguments plus constants, that
// branches count down from a constant, and that no instruction is one of those whose time
// depends on what they compute.
func TestAssemblyIsConstantTime(t *testing.T) {
	t.Parallel()
	for name, instructions := range functions(t) {
		pointer, counter := map[string]bool{}, map[string]bool{}
		for n, i := range instructions {
			if !slices.Contains(constantTime, i.name) {
				t.Errorf("%s: %s: is not in the list of those that take as long for all operands", name, i.line)
			}
			if i.name == "JNZ" {
				before := instructions[n-1]
				if before.name != "DECQ" || !counter[before.target()] {
					t.Errorf("%s: %s: after %s, which does not count", name, i.line, before.line)
				}
				continue
			}
			for _, operand := range i.operands {
				base := memory.FindStringSubmatch(operand)
				if strings.Contains(operand, "(") && !argument.MatchString(operand) && (base == nil || !pointer[base[1]]) {
					t.Errorf("%s: %s: the address is not an argument plus a constant", name, i.line)
				}
			}
			to, constant := i.target(), len(i.operands) == 2 && immediate.MatchString(i.operands[0])
			pointer[to] = i.name == "MOVQ" && argument.MatchString(i.operands[0]) || i.name == "ADDQ" && constant && pointer[to]
			counter[to] = i.name == "MOVQ" && constant || i.name == "DECQ" && counter[to]
		}
	}
}

// TestAssemblyLeavesNothing checks that no vector register has a part of a number at the
// end. VZEROUPPER would leave a part of the lower 16, and all of the others.
func TestAssemblyLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, instructions := range functions(t) {
		used := map[string]instruction{} // where it is used last
		for _, i := range instructions {
			for _, operand := range i.operands {
				if strings.HasPrefix(operand, "Z") {
					used[operand] = i
				}
			}
		}
		for register, last := range used {
			if len(register) == 2 || register < "Z16" {
				continue // VZEROALL
			}
			if last.name != "VMOVDQA64" || last.operands[0] != "Z0" || last.target() != register {
				t.Errorf("%s: %s is used last in %s, and is not wiped", name, register, last.line)
			}
		}
		end := slices.IndexFunc(instructions, func(i instruction) bool { return i.name == "VZEROALL" })
		if end != len(instructions)-2 {
			t.Fatalf("%s does not end with VZEROALL", name)
		}
		// Where Z0 goes to the others, it is zero.
		first := slices.IndexFunc(instructions, func(i instruction) bool { return i.line == "VMOVDQA64    Z0, Z16" })
		if first >= 0 && strings.Join(instructions[first-1].operands, " ") != "Z0 Z0 Z0" {
			t.Errorf("%s: Z0 is written last in %s", name, instructions[first-1].line)
		}
	}
}
