// Package spelling finds the name that a misspelt one was meant to be, for errors
// that suggest it. It never corrects a name by itself.
package spelling

// Nearest returns the candidate that a person most likely meant by name, or ""
// when none is near: more than a third of the letters would have to change, or all of a
// short name.
func Nearest(name string, candidates []string) string {
	best, distance := "", max(2, len(name)/3)+1
	for _, c := range candidates {
		if d := editDistance(name, c); d < distance && d < max(len(name), len(c)) {
			best, distance = c, d
		}
	}
	return best
}

// editDistance returns the Levenshtein distance in bytes: how many must be
// inserted, removed or replaced to turn a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
