// Package procstat reads from /proc what a process and all its children have used:
// processor time, memory and open files. It needs Linux.
package procstat

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of times in /proc (USER_HZ), which is the same on each
// platform that we measure on.
const ticksPerSecond = 100

// A Usage is what a tree of processes has used.
type Usage struct {
	CPUSeconds float64 // user and system, with that of children that have ended
	PSSKiB     float64 // memory; pages that processes share are divided among them
	Files      int     // open file descriptors
	Processes  int
}

// A Process is what one line of /proc/PID/stat says.
type Process struct {
	PID, Parent int
	Ticks       int64 // user and system time, with that of children that were waited for
}

// CPU returns the processor time of root and its children alone, which is cheap to read.
func CPU(root int) (float64, error) {
	tree, err := Tree(root)
	if err != nil {
		return 0, err
	}
	return seconds(tree), nil
}

// Read returns what root and its children use.
func Read(root int) (Usage, error) {
	tree, err := Tree(root)
	if err != nil {
		return Usage{}, err
	}
	u := Usage{CPUSeconds: seconds(tree), Processes: len(tree)}
	for _, p := range tree {
		dir := filepath.Join("/proc", strconv.Itoa(p.PID))
		data, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
		if err != nil {
			return Usage{}, fmt.Errorf("reading the memory of process %d: %w", p.PID, err)
		}
		kib, err := ParsePSS(data)
		if err != nil {
			return Usage{}, err
		}
		u.PSSKiB += kib
		files, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			return Usage{}, fmt.Errorf("reading the files of process %d: %w", p.PID, err)
		}
		u.Files += len(files)
	}
	return u, nil
}

func seconds(tree []Process) float64 {
	var ticks int64
	for _, p := range tree {
		ticks += p.Ticks
	}
	return float64(ticks) / ticksPerSecond
}

// Tree returns root and all processes below it.
func Tree(root int) ([]Process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("reading the list of processes: %w", err)
	}
	children := map[int][]Process{}
	var tree []Process
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		data, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if errors.Is(err, fs.ErrNotExist) || err != nil && strings.Contains(err.Error(), "no such process") {
			continue // it has ended in the meantime
		}
		if err != nil {
			return nil, fmt.Errorf("reading a process: %w", err)
		}
		p, err := ParseStat(data)
		if err != nil {
			return nil, err
		}
		if p.PID == root {
			tree = append(tree, p)
		} else {
			children[p.Parent] = append(children[p.Parent], p)
		}
	}
	if len(tree) == 0 {
		return nil, fmt.Errorf("process %d has ended", root)
	}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].PID]...)
	}
	return tree, nil
}

// The places of fields in /proc/PID/stat, counted from the state, which is after the name.
const (
	fieldParent         = 1
	fieldUser           = 11
	fieldChildrenSystem = 14
)

// ParseStat reads the content of /proc/PID/stat. The name of a program may have any
// characters, so that it ends at the last parenthesis.
func ParseStat(data []byte) (Process, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return Process{}, errors.New("reading /proc/PID/stat: no name of a program")
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(data[:open])))
	if err != nil {
		return Process{}, fmt.Errorf("reading /proc/PID/stat: %w", err)
	}
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) <= fieldChildrenSystem {
		return Process{}, errors.New("reading /proc/PID/stat: too few fields")
	}
	p := Process{PID: pid}
	if p.Parent, err = strconv.Atoi(fields[fieldParent]); err != nil {
		return Process{}, fmt.Errorf("reading /proc/PID/stat: %w", err)
	}
	for _, f := range fields[fieldUser : fieldChildrenSystem+1] {
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return Process{}, fmt.Errorf("reading /proc/PID/stat: %w", err)
		}
		p.Ticks += ticks
	}
	return p, nil
}

// ParsePSS returns the proportional set size in KiB that /proc/PID/smaps_rollup says.
func ParsePSS(data []byte) (float64, error) {
	for line := range strings.Lines(string(data)) {
		rest, ok := strings.CutPrefix(line, "Pss:")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) != 2 || fields[1] != "kB" {
			return 0, fmt.Errorf("reading smaps_rollup: %q", line)
		}
		kib, err := strconv.ParseUint(fields[0], 10, 63)
		if err != nil {
			return 0, fmt.Errorf("reading smaps_rollup: %w", err)
		}
		return float64(kib), nil
	}
	return 0, errors.New("reading smaps_rollup: it has no line Pss")
}
