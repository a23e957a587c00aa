//go:build !unix

package subject

import (
	"os"
	"os/exec"
)

// There are no process groups here, and no peers either.
func ownGroup(*exec.Cmd) {}

func askToEnd(p *os.Process) error { return p.Kill() }

func killGroup(p *os.Process) error { return p.Kill() }
