package aescbc_test

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

const assembly = "aescbc_amd64.s"

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
	if out, err := run("go", "run", ".", "-out", "../"+assembly, "-stubs", "../aescbc_amd64.go", "-pkg", "aescbc"); err != nil {
		t.Fatalf("running the generator: %v\n%s", err, out)
	}
	for _, name := range []string{assembly, "aescbc_amd64.go"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if want, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what go generate ./proxy/aescbc writes, %v", name, err)
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
	if len(all) != 4 {
		t.Fatalf("found %d functions", len(all))
	}
	return all
}

// Instructions that take as long for all operands, and those of them that write vectors and
// memory only.
var (
	onGeneral = strings.Fields("MOVL MOVQ ADDQ SHRL ANDL XORL LEAQ DECQ CMPQ TESTQ JNZ JNE JZ CPUID RET")
	onVectors = strings.Fields(`
	VMOVDQU VMOVDQA VMOVQ VPXOR VPADDD VPSHUFB VAESENC VAESENCLAST VAESDEC VAESDECLAST VAESKEYGENASSIST
	SHA1RNDS4 SHA1NEXTE SHA1MSG1 SHA1MSG2`)
)

var (
	argument  = regexp.MustCompile(`^\w+\+\d+\(FP\)$`)
	immediate = regexp.MustCompile(`^\$0x[0-9a-f]+$`)
	vector    = regexp.MustCompile(`^X\d+$`)
)

// TestAssemblyIsConstantTime checks that general registers get nothing but arguments and
// constants. So addresses and branches depend on where data is and how long it is, and not
// on what it is.
func TestAssemblyIsConstantTime(t *testing.T) {
	t.Parallel()
	for name, instructions := range functions(t) {
		for _, i := range instructions {
			toGeneral := !vector.MatchString(i.target()) && !strings.HasSuffix(i.target(), ")")
			switch {
			case slices.Contains(onVectors, i.name) && toGeneral:
				t.Errorf("%s: %s: moves something to a general register", name, i.line)
			case slices.Contains(onVectors, i.name):
			case !slices.Contains(onGeneral, i.name):
				t.Errorf("%s: %s: is not in the list of those that take as long for all operands", name, i.line)
			case i.name == "LEAQ": // an address, and not what is there
			case toGeneral && len(i.operands) > 1 && strings.Contains(i.operands[0], "(") && !argument.MatchString(i.operands[0]):
				t.Errorf("%s: %s: reads memory into a general register", name, i.line)
			}
			if slices.ContainsFunc(i.operands, func(o string) bool { return strings.HasPrefix(o, "$") && !immediate.MatchString(o) }) {
				t.Errorf("%s: %s: has a constant that this test does not know", name, i.line)
			}
		}
	}
}
