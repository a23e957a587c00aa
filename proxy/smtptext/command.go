package smtptext

import (
	"bytes"
	"regexp"
	"strings"
)

// CutVerb splits a command into its first word, in upper case, and the rest.
func CutVerb(text string) (verb, rest string) {
	text = strings.TrimLeft(text, " \t")
	end := strings.IndexAny(text, " \t")
	if end < 0 {
		end = len(text)
	}
	return strings.ToUpper(text[:end]), strings.Trim(text[end:], " \t")
}

// MaxLine bounds a command. An AUTH has up to 12288 bytes (RFC 4954 section 4).
const MaxLine = 12288 + len("\r\n")

// size is the argument of BDAT (RFC 3030 section 2).
var size = regexp.MustCompile(`^(?i)[0-9]{1,18}( +LAST)?$`)

// IsClear reports whether all servers understand a command alike. One that does not take
// a BDAT takes what follows for commands, and after STARTTLS nothing can be read.
func IsClear(line []byte, verb, args string) bool {
	if len(line) > MaxLine || bytes.ContainsAny(bytes.TrimRight(line, "\r\n"), "\r\x00") {
		return false
	}
	return verb != "STARTTLS" && (verb != "BDAT" || size.MatchString(args))
}

// SenderUnknown stands for a sender that cannot be told. It is no address.
const SenderUnknown = "?"

// fromForm has the address in the arguments of MAIL (RFC 5321 section 4.1.1.2); some
// devices leave the brackets out. A parameter has none but those of AUTH=<>.
var fromForm = regexp.MustCompile(`^(?i)FROM[ \t]*:[ \t]*` +
	`(?:<([^<>"\\\x00-\x20\x7f]*)>|([^<>"\\\x00-\x20\x7f]+))` + `(?:[ \t][^<>]*(?:AUTH=<>[^<>]*)?)?$`)

// ReversePath returns the address in the arguments of MAIL. It is SenderUnknown for one
// that is quoted, and for anything else that programs read in different ways.
func ReversePath(args string) string {
	found := fromForm.FindStringSubmatch(args)
	if found == nil {
		return SenderUnknown
	}
	return found[1] + found[2]
}
