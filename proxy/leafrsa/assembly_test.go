package leafrsa_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

var assembly = testenv.Assembly{Package: "leafrsa", File: "ifma_amd64.s", Stubs: "ifma_amd64.go", Functions: 3}

// TestAssemblyIsGenerated runs the generator again.
func TestAssemblyIsGenerated(t *testing.T) {
	t.Parallel()
	assembly.WantGenerated(t)
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
	for name, instructions := range assembly.Instructions(t) {
		pointer, counter := map[string]bool{}, map[string]bool{}
		for n, i := range instructions {
			if !slices.Contains(constantTime, i.Name) {
				t.Errorf("%s: %s: is not in the list of those that take as long for all operands", name, i.Line)
			}
			if i.Name == "JNZ" {
				before := instructions[n-1]
				if before.Name != "DECQ" || !counter[before.Target()] {
					t.Errorf("%s: %s: after %s, which does not count", name, i.Line, before.Line)
				}
				continue
			}
			for _, operand := range i.Operands {
				base := memory.FindStringSubmatch(operand)
				if strings.Contains(operand, "(") && !argument.MatchString(operand) && (base == nil || !pointer[base[1]]) {
					t.Errorf("%s: %s: the address is not an argument plus a constant", name, i.Line)
				}
			}
			to, constant := i.Target(), len(i.Operands) == 2 && immediate.MatchString(i.Operands[0])
			pointer[to] = i.Name == "MOVQ" && argument.MatchString(i.Operands[0]) || i.Name == "ADDQ" && constant && pointer[to]
			counter[to] = i.Name == "MOVQ" && constant || i.Name == "DECQ" && counter[to]
		}
	}
}

// TestAssemblyLeavesNothing checks that no vector register has a part of a number at the
// end. VZEROUPPER would leave a part of the lower 16, and all of the others.
func TestAssemblyLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, instructions := range assembly.Instructions(t) {
		used := map[string]testenv.Instruction{} // where it is used last
		for _, i := range instructions {
			for _, operand := range i.Operands {
				if strings.HasPrefix(operand, "Z") {
					used[operand] = i
				}
			}
		}
		for register, last := range used {
			if len(register) == 2 || register < "Z16" {
				continue // VZEROALL
			}
			if last.Name != "VMOVDQA64" || last.Operands[0] != "Z0" || last.Target() != register {
				t.Errorf("%s: %s is used last in %s, and is not wiped", name, register, last.Line)
			}
		}
		end := slices.IndexFunc(instructions, func(i testenv.Instruction) bool { return i.Name == "VZEROALL" })
		if end != len(instructions)-2 {
			t.Fatalf("%s does not end with VZEROALL", name)
		}
		// Where Z0 goes to the others, it is zero.
		first := slices.IndexFunc(instructions, func(i testenv.Instruction) bool { return i.Line == "VMOVDQA64    Z0, Z16" })
		if first >= 0 && strings.Join(instructions[first-1].Operands, " ") != "Z0 Z0 Z0" {
			t.Errorf("%s: Z0 is written last in %s", name, instructions[first-1].Line)
		}
	}
}
