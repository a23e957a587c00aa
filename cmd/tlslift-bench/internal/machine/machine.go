// Package machine says on what a comparison was made, without names of hosts or people.
package machine

import (
	"os"
	"runtime"
	"slices"
	"strings"
)

// A Machine is what matters of a computer for a comparison.
type Machine struct {
	OS       string   `json:"os"`
	Arch     string   `json:"arch"`
	Cores    int      `json:"cores"`
	CPU      string   `json:"cpu,omitempty"`
	Features []string `json:"features,omitempty"` // those that cryptography uses
	Kernel   string   `json:"kernel,omitempty"`
	// Load is the load average over one minute, at the start and at the end: what is more
	// than the comparison's own disturbs it.
	LoadBefore string `json:"load_before,omitempty"`
	LoadAfter  string `json:"load_after,omitempty"`
}

// features are those flags of /proc/cpuinfo that cryptography uses.
var features = []string{
	"aes", "vaes", "pclmulqdq", "sha_ni", "bmi2", "adx", "avx2", "avx512f", "avx512ifma", // x86
	"asimd", "pmull", "sha1", "sha2", "neon", // ARM
}

// Read returns this machine.
func Read() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), LoadBefore: Load()}
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU, m.Features = parseCPUInfo(string(data))
	}
	if data, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		// Only the version: the rest may name who built it.
		m.Kernel, _, _ = strings.Cut(strings.TrimSpace(string(data)), "-")
	}
	return m
}

// Load returns the load average over one minute; empty where the system does not say it.
func Load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	load, _, _ := strings.Cut(string(data), " ")
	return load
}

// parseCPUInfo returns the name of the first processor and which of our features it has.
func parseCPUInfo(text string) (name string, has []string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "model name":
			name = value
		case "flags", "Features":
			flags := strings.Fields(value)
			for _, f := range features {
				if slices.Contains(flags, f) {
					has = append(has, f)
				}
			}
			return name, has
		}
	}
	return name, has
}
