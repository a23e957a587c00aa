package roff

import "testing"

// Nothing in a text is read as a request or an escape, and what is indented stays so.
func TestPage(t *testing.T) {
	t.Parallel()
	p := New("a-b", 1, "1.0")
	p.Section("NAME")
	p.Paragraphs(".so x\n'y \\fB --z\n\n  a table\n\n\n\nend\n")
	want := ".TH A\\-B 1 \"\" \"tlslift 1.0\"\n.SH NAME\n\\&.so x\n\\&'y \\efB \\-\\-z\n" +
		".PP\n.nf\n  a table\n.fi\n.PP\n\n.PP\nend\n"
	if got := p.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
