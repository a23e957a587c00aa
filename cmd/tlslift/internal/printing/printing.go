// Package printing writes what a command has found: for people a text beside its name, in
// lines of bounded length, and for programs JSON.
//
// It cleans nothing: what comes from outside has to be made safe before.
package printing

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

// Row writes a text in lines of a width. The head stands before the first line, and as many
// blanks as the head has columns before the others.
func Row(b *strings.Builder, head string, columns int, text string, width int) {
	for _, line := range settings.Wrap(text, width) {
		b.WriteString(head + line + "\n")
		head = strings.Repeat(" ", columns)
	}
}

// JSON writes a value as JSON, with an end of the last line.
func JSON(w io.Writer, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}
