package metrics

import (
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

const (
	// other stands for everything above a limit.
	other = "other"
	// unknown stands for what the record does not say.
	unknown = "unknown"
)

// maxLabel is above all that is in a label, host names among them.
const maxLabel = 300

// label returns s as a label value: the Prometheus library panics on bytes that
// are not UTF-8.
func label(s string) string {
	if s == "" {
		return unknown
	}
	return netname.Text(s, maxLabel)
}

// labelIn returns the label for s, or "other" when the set is full.
func labelIn(set *boundedMap[string, string], s string, untrusted bool) string {
	if s == "" {
		return unknown
	}
	if l, ok := set.get(s, untrusted); ok {
		return l
	}
	return other
}

// versionLabel returns the version if it exists: a ClientHello can offer any of
// 65536 numbers.
func versionLabel(v string) string {
	switch v {
	case "SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3", "none":
		return v
	case "":
		return "none"
	}
	return unknown
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
