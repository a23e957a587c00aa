package clientcsv

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// place matches the places that an error of a clients file names.
var place = regexp.MustCompile(`\bline (\d+)(, column \d+)?`)

// problems turns the mistakes of a clients file into those of the table that it was made
// from.
func (f *file) problems(err error) error {
	var all []string
	for one := range strings.SplitSeq(err.Error(), "\n") {
		one = place.ReplaceAllStringFunc(one, f.inTable)
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b string) int { return lineOf(a) - lineOf(b) })
	if len(all) > maxProblems {
		all = append(all[:maxProblems], fmt.Sprintf("%d more mistakes", len(all)-maxProblems))
	}
	return errors.New(strings.Join(all, "\n"))
}

// inTable returns the line of the table for a place in the clients file.
func (f *file) inTable(found string) string {
	line := lineOf(found)
	if line < 1 || line > len(f.from) {
		return found
	}
	return "line " + strconv.Itoa(f.from[line-1])
}

// lineOf returns the first line that a text names; 0 if it names none.
func lineOf(text string) int {
	m := place.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	line, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return line
}
