package report

import (
	"encoding/csv"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/record"
)

// formulas are what spreadsheets would run.
var formulas = []string{
	`=HYPERLINK("http://192.0.2.1/","x")`, "+1+1", "-1+1", "@SUM(A1)", " =1+1", "＝1+1", "\t=1+1", "\r=1", "\n@A1", "\u202e=1",
	"=cmd|' /C calc'!A0", "\u00a0=1", "x\n=1",
}

// isFormula reports whether a spreadsheet would run a cell.
func isFormula(cell string) bool {
	trimmed := strings.TrimLeft(cell, " \t\r\n\u00a0")
	return trimmed != "" && strings.ContainsRune("=+-@", rune(trimmed[0]))
}

func FuzzCell(f *testing.F) {
	for _, s := range formulas {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if isFormula(cell(s)) {
			t.Errorf("%q became the cell %q", s, cell(s))
		}
	})
}

// Neither file has a formula, whatever a client or the clients file says.
func TestNoFormulas(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var all []Client
	var lines []Line
	for _, s := range formulas {
		c := Client{About: clientfile.Description{Model: s, Note: s}, Client: inventory.Client{
			Client: s, Name: s, Host: s, Offered: s, Rule: record.Rule(s), Version: s, CipherSuite: s, Protocols: []string{s},
			Address: netip.MustParseAddr("192.0.2.1"), Destinations: []string{s}, SMTPReply: s, Mailbox: s, Login: s, LastSeen: now,
			Failure: &inventory.Failure{At: now, Reason: record.Reason(s), Fault: record.Fault(s), Cause: s, Remedy: s},
		}}
		all, lines = append(all, c), append(lines, LineOf(c, now))
	}
	var whole, printed strings.Builder
	WriteClients(&whole, all, now)
	WriteLines(&printed, lines)
	for name, text := range map[string]string{"clients": whole.String(), "report": printed.String()} {
		read, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(read) != len(formulas)+1 {
			t.Fatalf("%s: %d lines, %v", name, len(read), err)
		}
		for _, line := range read {
			for _, c := range line {
				if isFormula(c) {
					t.Errorf("%s: a cell is %q", name, c)
				}
			}
		}
	}
}

// The report says what a person wants to know of a client, in local time.
func TestLines(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 9, 5, 0, 0, time.Local)
	reason := record.ReasonClientUnknownCA
	c := Client{About: clientfile.Description{Model: "Ricoh, old", Note: "say \"hello\""}, Client: inventory.Client{
		Client: "copier", Name: "copier", Address: netip.MustParseAddr("192.0.2.1"), Offered: "TLS 1.0",
		Destinations: []string{"smtp.office365.com:587"}, LastSeen: now, LastAccepted: now.Add(-9 * 24 * time.Hour),
		FirstSeen: now.Add(-90 * 24 * time.Hour),
		Accepted:  50, MailPause: 3600, LastLegacy: now,
		Failure: &inventory.Failure{At: now, Reason: reason, Remedy: reason.Remedy()},
	}}
	var b strings.Builder
	WriteLines(&b, []Line{LineOf(c, now)})
	read, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil || len(read) != 2 {
		t.Fatal(read, err)
	}
	want := map[string]string{
		"Client": "copier", "Model": "Ricoh, old", "Note": "say \"hello\"", "Address": "192.0.2.1", "State": "Failing", "Offers": "TLS 1.0",
		"Reason": "client_unknown_ca", "What to do": reason.Remedy(), "Silent": "yes", "Last mail accepted": "2026-11-19 09:05",
		"Last seen": "2026-11-28 09:05", "Destination": "smtp.office365.com:587", "Host": "",
	}
	for i, name := range read[0] {
		if text, ok := want[name]; !ok || read[1][i] != text {
			t.Errorf("%s is %q, want %q", name, read[1][i], text)
		}
	}
	if len(read[0]) != len(want) {
		t.Errorf("the columns are %q", read[0])
	}
}
