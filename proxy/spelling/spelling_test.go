package spelling

import "testing"

func TestEditDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0},
		{"listn", "listen", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 2},
	} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("%q, %q: got %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	candidates := []string{"serve", "config", "completion", "clients", "ca"}
	for name, want := range map[string]string{
		"serve": "serve", "srve": "serve", "confg": "config", "client": "clients", "completions": "completion",
		"": "", "zzzzz": "", "serverless": "", "<<": "", "cx": "ca",
	} {
		if got := Nearest(name, candidates); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if got := Nearest("serve", nil); got != "" {
		t.Errorf("without candidates: got %q", got)
	}
}
