//go:build !unix

package ownca

import "testing"

func ownerOf(*testing.T, string) int { return -1 }
