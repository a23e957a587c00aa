//go:build !unix

package openfiles

// limit returns how many files this process may open, where there is such a limit.
func limit() (files uint64, known bool) { return 0, false }
