package legacytls

import (
	"bufio"
	"crypto/tls"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// simulations is where Debian's package testssl.sh puts the hellos of some
// 160 clients. They are under the GPL: they are read where they are, and never
// copied.
const simulations = "/etc/testssl/client-simulation.txt"

// A simulation is one client of testssl.sh.
type simulation struct {
	name    string
	highest string
	hello   []byte
}

// simulated reads what is installed.
func simulated(t *testing.T) (all []simulation) {
	t.Helper()
	testenv.Need(t, simulations)
	file, err := os.Open(simulations)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		field, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), `+=("`)
		value = strings.TrimSuffix(value, `")`)
		if !ok {
			continue
		}
		switch one := len(all) - 1; field {
		case "names":
			all = append(all, simulation{name: value})
		case "highest_protocol":
			all[one].highest = value
		case "handshakebytes":
			if all[one].hello, err = hex.DecodeString(value); err != nil {
				t.Fatalf("%s: %v", all[one].name, err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// Every client of testssl.sh that speaks TLS 1.0 or 1.1 at most gets a whole
// flight, with the suites that need no switch unless it has none of them.
func TestClientSimulations(t *testing.T) {
	t.Parallel()
	all := slices.DeleteFunc(simulated(t), func(s simulation) bool { return s.highest != "0x0301" && s.highest != "0x0302" })
	if len(all) < 30 {
		t.Errorf("only %d clients of TLS 1.0 and 1.1", len(all))
	}
	config := newConfig(t)
	config.Suites = LegacySuites{}
	for _, s := range all {
		c := flight(t, config, hello{captured: s.hello})
		if c.err != nil {
			t.Errorf("%s: %v", s.name, c.err)
			continue
		}
		if want := map[string]uint16{"0x0301": tls.VersionTLS10, "0x0302": tls.VersionTLS11}[s.highest]; c.answer.version != want {
			t.Errorf("%s: version %04x", s.name, c.answer.version)
		}
		t.Logf("%s: %s, %s", s.name, tls.VersionName(c.answer.version), SuiteName(c.answer.suite))
	}
}
