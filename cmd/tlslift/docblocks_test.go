package main

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

// A docBlock is a fenced block of a document.
type docBlock struct {
	doc      string
	line     int // of its fence
	language string
	text     string
}

func (b docBlock) String() string { return fmt.Sprintf("%s:%d", b.doc, b.line) }

var fence = regexp.MustCompile("(?ms)^( *)```([a-z]*)\n(.*?)^ *```$")

// docBlocksOf returns the fenced blocks of a document.
func docBlocksOf(t *testing.T, doc string) []docBlock {
	t.Helper()
	text := readDoc(t, doc)
	var all []docBlock
	for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
		indent := text[m[2]:m[3]]
		all = append(all, docBlock{
			doc: doc, line: 1 + strings.Count(text[:m[0]], "\n"), language: text[m[4]:m[5]],
			text: strings.TrimPrefix(strings.ReplaceAll("\n"+text[m[6]:m[7]], "\n"+indent, "\n"), "\n"),
		})
	}
	return all
}

// isShell reports whether a block has commands, or what is written in that form.
func (b docBlock) isShell() bool { return slices.Contains([]string{"sh", "shell", ""}, b.language) }

var settingLine = regexp.MustCompile(`^TLSLIFT_[A-Z0-9_]+=`)

// isEnvFile reports whether a block has settings, one in a line.
func (b docBlock) isEnvFile() bool {
	found := false
	for line := range strings.Lines(b.text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case settingLine.MatchString(line) && !strings.Contains(line, " tlslift") && !strings.Contains(line, " go run"):
			found = true
		default:
			return false
		}
	}
	return found
}

// isClientsFile reports whether a block is a clients file.
func (b docBlock) isClientsFile() bool {
	return b.language == "yaml" && strings.HasPrefix(b.text, "clients:")
}

// shellWords splits a text of the shell into commands and those into words, as far as
// documents go: quotes, comments, and what stands between commands.
func shellWords(text string) [][]string {
	var all [][]string
	var words []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	endWord := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord = false
	}
	endCommand := func() {
		endWord()
		if len(words) > 0 {
			all = append(all, words)
		}
		words = nil
	}
	isComment, isEscaped := false, false
	for _, c := range text {
		switch {
		case isComment:
			isComment = c != '\n'
			if !isComment {
				endCommand()
			}
		case isEscaped:
			isEscaped = false
			if c != '\n' {
				word.WriteRune(c)
				inWord = true
			}
		case c == '\\' && quote != '\'':
			isEscaped = true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteRune(c)
			}
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == '#' && !inWord:
			isComment = true
		case c == ' ' || c == '\t':
			endWord()
		case strings.ContainsRune("\n|&;()", c):
			endCommand()
		case c == '<' || c == '>':
			if strings.Trim(word.String(), "0123456789") != "" {
				endWord()
			}
			word.Reset() // the number of a file that is redirected
			inWord = false
			words = append(words, string(c))
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	endCommand()
	return all
}

var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// ownArguments returns the arguments of a command that runs tlslift; found is false for
// other commands.
func ownArguments(words []string) (args []string, found bool) {
	for len(words) > 0 && (words[0] == "sudo" || words[0] == "env" || assignment.MatchString(words[0])) {
		words = words[1:]
	}
	switch {
	case len(words) > 2 && words[0] == "go" && words[1] == "run" && words[2] == "./cmd/tlslift":
		words = words[3:]
	case len(words) > 0 && path.Base(words[0]) == "tlslift" && path.Dir(words[0]) != "/etc/init.d":
		words = words[1:]
	default:
		return nil, false
	}
	for i := 0; i < len(words); i++ {
		if words[i] == "<" || words[i] == ">" {
			i++ // a file
			continue
		}
		args = append(args, words[i])
	}
	return args, true
}

// checkArguments reports a command or a flag that tlslift does not have. In a sentence, a
// command may stand without its arguments.
func checkArguments(args []string, inSentence bool) error {
	p := &program{}
	root := p.rootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if slices.Contains(rest, "--help") || slices.Contains(rest, "--version") {
		rest = nil
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if inSentence && cmd.Flags().NArg() == 0 {
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

var ownInline = regexp.MustCompile("`((?:sudo )?tlslift [a-z][^`\n]*)`")

// presentDocs returns the documents about what tlslift does now.
func presentDocs(t *testing.T) []string {
	t.Helper()
	all := linkedDocs(t, filepath.Join("..", ".."))
	return slices.DeleteFunc(all, func(doc string) bool { return filepath.Base(doc) == "CHANGELOG.md" })
}

// Every command of tlslift in a document is one that it has, with flags that it has.
func TestDocCommands(t *testing.T) {
	t.Parallel()
	checked := 0
	check := func(where string, text string, inSentence bool) {
		for _, words := range shellWords(text) {
			args, found := ownArguments(words)
			if !found {
				continue
			}
			checked++
			if err := checkArguments(args, inSentence); err != nil {
				t.Errorf("%s: tlslift %s: %v", where, strings.Join(args, " "), err)
			}
		}
	}
	for _, doc := range presentDocs(t) {
		for _, block := range docBlocksOf(t, doc) {
			if block.isShell() {
				check(block.String(), block.text, false)
			}
		}
		for _, m := range ownInline.FindAllStringSubmatch(fence.ReplaceAllString(readDoc(t, doc), ""), -1) {
			check(doc, m[1], true)
		}
	}
	if checked < 60 {
		t.Errorf("checked only %d commands: the test looks at the wrong thing", checked)
	}
}

// A command or flag that does not exist is found.
func TestDocCommandsThatAreWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"sudo tlslift check mailbox a@contoso.com --send": true,
		"tlslift check mailbox":                           false,
		"tlslift client":                                  false,
		"A=b tlslift clients --failling | less":           false,
		"tlslift clients --failing >x 2>/dev/null":        true,
		"x=$(tlslift rules --interface)":                  false,
		"go run ./cmd/tlslift demo --keep # 'c":           true,
		"tlslift clients export \\\n  --no-such-flag":     false,
		"tlslift \"clients\" 'forget' copier":             true,
		"install tlslift /usr/bin; tlslift no-such":       false,
	} {
		var err error
		for _, words := range shellWords(text) {
			if args, found := ownArguments(words); found {
				err = checkArguments(args, false)
			}
		}
		if (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

var (
	settingName = regexp.MustCompile(`\bTLSLIFT_[A-Z0-9_]*[A-Z0-9]\b`)
	testSetting = regexp.MustCompile(`^TLSLIFT_(TEST|BENCH|CI)(_|$)`) // of CONTRIBUTING.md
)

// Every setting that a document names is one.
func TestDocSettings(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"TLSLIFT_ENV_FILE": true}
	for _, name := range settingName.FindAllString(settings.Markdown(), -1) {
		known[name] = true
	}
	for _, doc := range presentDocs(t) {
		for _, name := range settingName.FindAllString(readDoc(t, doc), -1) {
			if !known[name] && !testSetting.MatchString(name) {
				t.Errorf("%s names %s, which is no setting", doc, name)
			}
		}
	}
}

// notHere matches settings whose file is read with the settings, and is not on this machine.
var notHere = regexp.MustCompile(`(?m)^TLSLIFT_(SIGNIN_FILE|ADMIN_WEB_CONFIG_FILE)=.*\n`)

// Settings and clients files of documents are read as tlslift reads them.
func TestDocFiles(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, doc := range presentDocs(t) {
		for _, block := range docBlocksOf(t, doc) {
			environ := map[string]string{}
			args := []string{"config"}
			switch {
			case block.isShell() && block.isEnvFile() || block.language == "ini" && block.isEnvFile():
				args = append(args, "--env-file", writeFile(t, notHere.ReplaceAllString(block.text, "")))
			case block.isClientsFile():
				environ["TLSLIFT_CLIENTS_FILE"], environ["TLSLIFT_REVERSE_DNS"] = writeFile(t, block.text), "true"
			default:
				continue
			}
			checked++
			if got := runWith(t, environ, args...); got.code != exitOK {
				t.Errorf("%s: %s", block, got.stderr)
			}
		}
	}
	if checked < 6 {
		t.Errorf("checked only %d files: the test looks at the wrong thing", checked)
	}
}
