package aescbc_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

var assembly = testenv.Assembly{Package: "aescbc", File: "aescbc_amd64.s", Functions: 6}

// Instructions that take as long for all operands, and those of them that write vectors and
// memory only.
var (
	onGeneral = strings.Fields("MOVL MOVQ ADDQ XORL LEAQ DECQ CMPQ TESTQ CMOVQEQ KMOVW JNE JEQ CPUID RET")
	onVectors = strings.Fields(`
	VMOVDQU VMOVDQA VMOVQ VPXOR VPADDD VPSHUFB VAESENC VAESENCLAST VAESDEC VAESDECLAST VAESKEYGENASSIST
	VPALIGNR VPSLLDQ VPSRLDQ VPSLLD VPSRLD VPROLD VPROLD.Z VPTERNLOGD SHA1RNDS4 SHA1NEXTE`)
)

var (
	argument  = regexp.MustCompile(`^\w+\+\d+\(FP\)$`)
	immediate = regexp.MustCompile(`^\$-?[0-9]+$`)
	vector    = regexp.MustCompile(`^X\d+$`)
)

// TestAssemblyIsConstantTime checks that general registers get nothing but arguments and
// constants. So addresses and branches depend on where data is and how long it is, and not
// on what it is.
func TestAssemblyIsConstantTime(t *testing.T) {
	t.Parallel()
	for name, instructions := range assembly.Assembled(t) {
		for _, i := range instructions {
			toGeneral := !vector.MatchString(i.Target()) && !strings.HasSuffix(i.Target(), ")")
			switch {
			case slices.Contains(onVectors, i.Name) && toGeneral:
				t.Errorf("%s: %s: moves something to a general register", name, i.Line)
			case slices.Contains(onVectors, i.Name):
			case !slices.Contains(onGeneral, i.Name):
				t.Errorf("%s: %s: is not in the list of those that take as long for all operands", name, i.Line)
			case i.Name == "LEAQ": // an address, and not what is there
			case toGeneral && len(i.Operands) > 1 && strings.Contains(i.Operands[0], "(") && !argument.MatchString(i.Operands[0]):
				t.Errorf("%s: %s: reads memory into a general register", name, i.Line)
			}
			if slices.ContainsFunc(i.Operands, func(o string) bool { return strings.HasPrefix(o, "$") && !immediate.MatchString(o) }) {
				t.Errorf("%s: %s: has a constant that this test does not know", name, i.Line)
			}
		}
	}
}
