package machine

import (
	"slices"
	"testing"
)

func TestParseCPUInfo(t *testing.T) {
	t.Parallel()
	name, has := parseCPUInfo("cpu\t: 0\nmodel name\t: Some CPU: 3 GHz\nflags\t\t: fpu aes avx2 aesx\n\nprocessor\t: 1\nflags\t\t: adx\n")
	if name != "Some CPU: 3 GHz" || !slices.Equal(has, []string{"aes", "avx2"}) {
		t.Errorf("%q with %q", name, has)
	}
	if name, has := parseCPUInfo("nothing"); name != "" || has != nil {
		t.Errorf("of nothing: %q with %q", name, has)
	}
}

func FuzzParseCPUInfo(f *testing.F) {
	f.Add("model name : x\nFeatures : asimd pmull\n")
	f.Fuzz(func(_ *testing.T, text string) { parseCPUInfo(text) })
}
