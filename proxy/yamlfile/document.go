// Package yamlfile reads a small YAML file that an operator has written. It refuses
// what it does not understand, with line, column and remedy: a key that is misspelt
// would otherwise do nothing. It repeats keys and what is written for known ones,
// never what stands under others, nor a key that no file could have, because that may
// be a secret. It opens no file.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// MaxFile is how many bytes a file may have; a thousand entries take a tenth of it.
const MaxFile = 1 << 20

// Parse reads the text of a file, which messages call what, for example "a clients file":
// YAML in UTF-8, with or without a byte order mark. It calls read with the whole
// content, if there is any. The error has a line for each problem, in the order of
// the file, which begins with the line and the column in characters. When the text
// is not YAML, that is the only problem, because nothing in it has a meaning then.
func Parse(text []byte, what string, read func(*Reader, *Node)) error {
	if len(text) > MaxFile {
		return fmt.Errorf("more than %d bytes cannot be %s", MaxFile, what)
	}
	// Some editors on Windows begin a file with a byte order mark.
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if err := checkText(text); err != nil {
		return err
	}
	doc, err := Document(text, what)
	if err != nil {
		return err
	}
	var r Reader
	// Comments between document marks make a document with nothing in it.
	if doc != nil && !IsNull(doc.Content[0]) {
		read(&r, doc.Content[0])
	}
	return r.problems.asError()
}

// checkText refuses what the YAML library would refuse without a position,
// and the characters that end a line for YAML but not for an editor: after
// one of them, a line could look like part of a comment.
func checkText(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("the file is not UTF-8 text")
	}
	line, column := 1, 0
	for _, c := range string(text) {
		column++
		switch {
		case c == '\n':
			line, column = line+1, 0
		case c == '\t', c == '\r':
		case unicode.In(c, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Noncharacter_Code_Point):
			return problem{line, column, fmt.Sprintf("the character %U does not belong in text; remove it", c)}
		}
	}
	return nil
}

// Document returns the one YAML document in text, with its comments; nil if there is
// none. Only the content of it, which is its one child, is what Parse reads.
func Document(text []byte, what string) (*yaml.Node, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading YAML: %w", err)
	}
	var doc, more yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, notYAML(err, text)
	}
	switch err := loader.Load(&more); {
	case err == nil:
		return nil, problem{more.Line, more.Column, "a second document begins here; " + what + " has one"}
	case !errors.Is(err, io.EOF):
		return nil, notYAML(err, text)
	}
	return &doc, nil
}

// Write returns the text of a document. Nodes in block are written in lines of their
// own, not in braces or brackets.
func Write(doc *Node, block ...*Node) ([]byte, error) {
	for _, n := range block {
		n.Style &^= yaml.FlowStyle
	}
	text, err := yaml.Dump(doc, yaml.WithV3Defaults())
	if err != nil {
		return nil, fmt.Errorf("writing YAML: %w", err)
	}
	return text, nil
}

// notYAML turns an error of the YAML library into a problem.
func notYAML(err error, text []byte) error {
	var e *yaml.LoadError
	if !errors.As(err, &e) || e.Mark.Line == 0 {
		return fmt.Errorf("reading YAML: %w", err)
	}
	p := problem{e.Mark.Line, e.Mark.Column, e.Message}
	if e.Stage == yaml.ComposerStage { // an alias of nothing
		p.text = NoAliases
		return p
	}
	if e.ContextMsg != "" {
		p.text += " " + e.ContextMsg
	}
	if c := e.ContextMark; c.Line != 0 && (c.Line != p.line || c.Column != p.column) {
		p.text += fmt.Sprintf(", which begins in line %d, column %d", c.Line, c.Column)
	}
	if indentedWithTab(text, p.line) {
		p.text += "; indent with spaces, not with tabs"
	}
	return p
}

func indentedWithTab(text []byte, line int) bool {
	lines := strings.Split(string(text), "\n")
	if line > len(lines) {
		return false
	}
	written := lines[line-1]
	indent := written[:len(written)-len(strings.TrimLeft(written, " \t"))]
	return strings.Contains(indent, "\t")
}
