//go:build !unix

package secretfile

import "io/fs"

const nonBlock = 0

// checkOwner accepts every file: the mode does not tell who may read it here.
func checkOwner(string, fs.FileInfo) error { return nil }
