package settings

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseEnvFile(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"plain":            {"A=b", "b"},
		"blanks":           {"  A = b c \t\r\n", "b c"},
		"empty":            {"A=\n", ""},
		"hash in value":    {"A=b # c", "b # c"},
		"equals in value":  {"A=b=c", "b=c"},
		"backslash":        {`A=C:\x`, `C:\x`},
		"quote inside":     {`A=it's`, "it's"},
		"single quotes":    {`A=' b \" '`, ` b \" `},
		"double quotes":    {`A=" b ' \"\\\$\x" `, ` b ' "\$\x`},
		"empty quotes":     {`A=""`, ""},
		"comments":         {"# c\n; c\n\n  # c\nA=b\n", "b"},
		"byte order mark":  {"\ufeffA=b", "b"},
		"nothing expanded": {"A=$HOME", "$HOME"},
		"two lines":        {"A=b,\\\nc", "b,c"},
		"three lines":      {"  A = b,\\\r\n  c,\\\r\n  d \r\n", "b,  c,  d"},
		"lines in quotes":  {"A=\"b \\\n \\\\ c\"\n", `b  \ c`},
		"goes on with #":   {"A=b\\\n#c", "b#c"},
		"goes on empty":    {"A=b\\\n\n", "b"},
		"comment ends":     {"# c\\\nA=b", "b"}, // since systemd 254
		"backslash last":   {`A='C:\x\'`, `C:\x\`},
	}
	for name, test := range tests {
		got, err := parseEnvFile(test.text)
		if err != nil || len(got) != 1 || got[0].name != "A" || got[0].value != test.want {
			t.Errorf("%s: got %+v, %v, want %q", name, got, err, test.want)
		}
	}
}

func TestParseEnvFileErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"no equals":              {"\n\nhunter2", "line 3: there is no =; write NAME=value"},
		"export":                 {"export A=hunter2", `line 1: "export A" is not a name; write NAME=value, without export`},
		"digit":                  {"1A=hunter2", `line 1: "1A" is not a name`},
		"no name":                {"=hunter2", `line 1: "" is not a name`},
		"open single":            {"A='hunter2", "line 1: A: the quote is not closed on the same line"},
		"open double":            {`A="hunter2\"`, "line 1: A: the quote is not closed on the same line"},
		"after quote":            {`A="hunter2" hunter2`, "line 1: A: something follows the closing quote"},
		"continued":              {`A=hunter2\`, "line 1: a value that ends with a backslash goes on in the next line, and there is none"},
		"continued by a setting": {"A=hunter2\\\nTLSLIFT_X=hunter2", "line 1: the value ends with a backslash, and the next line is"},
		"backslash twice":        {`A=hunter2\\`, "line 1: A: a value that ends with a backslash has to be in quotes"},
		"backslash and blank":    {"A=hunter2\\ \nB=c", "line 1: A: a value that ends with a backslash has to be in quotes"},
		"single, two lines":      {"A='hunter2\\\nhunter2'", "line 1: A: the quote is not closed on the same line"},
		"after two lines":        {"A=b\\\nc\nhunter2", "line 3: there is no =; write NAME=value"},
		"twice":                  {"A=hunter2\n\nA=hunter2", "line 3: A is already set in line 1"},
		"several":                {"hunter2\nA=b\n'=hunter2", "line 1: there is no =; write NAME=value\nline 3: "},
		"not text":               {"A=\xff", "not UTF-8"},
		"zero byte":              {"A=\x00", "not UTF-8"},
		"UTF-16 Windows":         {"\xff\xfeA\x00=\x00b\x00", "not UTF-8"},
	}
	for name, test := range tests {
		_, err := parseEnvFile(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %q and no value", name, err, test.want)
		}
	}
}

func TestEnvFileTooLarge(t *testing.T) {
	t.Parallel()
	path := writeFile(t, strings.Repeat("# comment\n", maxEnvFile/10+1))
	if _, err := readEnvFile(path); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("got %v", err)
	}
}

func FuzzParseEnvFile(f *testing.F) {
	for _, seed := range []string{
		"A=b\n", "# c\nA='b c'\n", `A="b\"c\\" `, "A=b\\\n", "\ufeffA=\r\n;x", "A=1\nA=2", "A=b,\\\n c\nB=\"d\\\ne\"", `A="`, "=", "A='x'y",
		ExampleEnvFile(),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := parseEnvFile(text)
		if err != nil {
			return
		}
		// What was read, written down again, must be read as the same.
		var again strings.Builder
		for _, a := range first {
			if !envName.MatchString(a.name) || strings.ContainsAny(a.value, "\n\x00") || !utf8.ValidString(a.value) {
				t.Fatalf("%q gave %+v", text, a)
			}
			again.WriteString(strings.Repeat("\n", a.line-1-strings.Count(again.String(), "\n")))
			again.WriteString(a.name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(a.value) + `"`)
		}
		second, err := parseEnvFile(again.String())
		if err != nil || !slices.Equal(first, second) {
			t.Errorf("%q: got %+v, and from %q %+v, %v", text, first, again.String(), second, err)
		}
	})
}
