//go:build !unix

package deviceca

import "testing"

func ownerOf(*testing.T, string) int { return -1 }
