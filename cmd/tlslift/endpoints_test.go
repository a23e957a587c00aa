package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/endpoints"
)

// publishedList is what Microsoft's web service would answer: the built-in
// worldwide list, and a row with hosts.
func publishedList(t *testing.T, hosts ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "proxy", "m365", "m365.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Instances map[string]struct {
			Rows []struct {
				ID          int
				Area, Ports string
				Hosts, IPs  []string
			}
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	type row map[string]any
	rows := []row{{"id": 900, "serviceArea": "Common", "urls": hosts, "tcpPorts": "443", "required": true}}
	for _, r := range file.Instances["worldwide"].Rows {
		if r.ID != 0 {
			rows = append(rows, row{"id": r.ID, "serviceArea": r.Area, "urls": r.Hosts, "ips": r.IPs, "tcpPorts": r.Ports, "required": true})
		}
	}
	list, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// savedList is a state directory with a list that was saved.
func savedList(t *testing.T, version string, list []byte) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`{"instance":"Worldwide","client_request_id":"6f9619ff-8b86-4011-b42d-00c04fc964ff",
"next":"2099-01-01T00:00:00Z","current":"2026-11-24T17:00:00Z","version":%q,"list":%s}`, version, list)
	if err := os.WriteFile(filepath.Join(dir, "endpoints-worldwide.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEndpointsAnswers(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"TLSLIFT_DESTINATIONS": "*.example.com:443"}
	for _, c := range []struct {
		asked string
		code  int
		want  []string
	}{
		{"smtp.office365.com:587", exitOK, []string{"smtp.office365.com:587 is allowed.", "row 2, Exchange"}},
		{"SMTP.Office365.com.:587", exitOK, []string{"smtp.office365.com:587 is allowed."}},
		{"contoso.sharepoint.com:443", exitOK, []string{"*.sharepoint.com", "row 31, SharePoint"}},
		{"a.example.com:443", exitOK, []string{"*.example.com", "operator"}},
		{"smtp.office365.com", exitOK, []string{"on ports 25,80,143,443,587,993,995.", "supplement, Exchange", "*.office365.com"}},
		{"smtp.office365.com:26", exitFailure, []string{"the host's allowed ports are 25,80,",
			"add smtp.office365.com:26 to TLSLIFT_DESTINATIONS"}},
		{"evil.example:443", exitFailure, []string{"evil.example:443", "TLSLIFT_M365_REFRESH=true",
			"add evil.example:443 to TLSLIFT_DESTINATIONS"}},
		{"evil.example", exitFailure, []string{`destination "evil.example" is not allowed`, "add evil.example:PORT to TLSLIFT_DESTINATIONS"}},
		{"52.96.1.2:993", exitOK, []string{"row 2, Exchange", "reaches outlook.office365.com:993 there."}},
		{"[::ffff:52.96.1.2]:587", exitOK, []string{"reaches smtp.office365.com:587 there."}},
		{"[2603:1026::1]:587", exitOK, []string{"reaches smtp.office365.com:587 there."}},
		{"52.96.1.2", exitFailure, []string{"row 1, Exchange and row 2, Exchange", "ask again with the port"}},
		{"2603:1026::1", exitFailure, []string{"ask again with the port, for example [2603:1026::1]:443"}},
		{"40.92.0.1:25", exitFailure, []string{"row 10, Exchange", "each tenant"}},
		{"52.96.1.2:26", exitFailure, []string{"not an address that Microsoft publishes"}},
		{"10.0.0.1:443", exitFailure, []string{"not an address that Microsoft publishes"}},
		{"127.1:443", exitFailure, []string{"is an IP address", "by host name"}},
		{"a b:443", exitUsage, []string{"is not valid"}},
		{"smtp.office365.com:0", exitUsage, []string{"from 1 to 65535"}},
		{"https://smtp.office365.com", exitUsage, []string{"not valid"}},
		{"", exitUsage, []string{"the host name is empty"}},
	} {
		got := runWith(t, environ, "endpoints", c.asked)
		text := got.stdout
		if c.code != exitOK {
			text = got.stderr
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%q: want %q in %+v", c.asked, want, got)
			}
		}
		if got.code != c.code || (got.stdout == "") == (c.code == exitOK) {
			t.Errorf("%q: want exit code %d, got %+v", c.asked, c.code, got)
		}
		// Scripts read the same from JSON.
		var shown endpoints.Answer
		js := runWith(t, environ, "endpoints", "--json", c.asked)
		if err := json.Unmarshal([]byte(js.stdout), &shown); c.code != exitUsage && err != nil {
			t.Errorf("%q: %v in %+v", c.asked, err, js)
		}
		if js.code != c.code || shown.Allowed != (c.code == exitOK) || c.code == exitFailure && shown.Remedy == "" {
			t.Errorf("%q: as JSON %+v", c.asked, js)
		}
	}
}

func TestEndpointsList(t *testing.T) {
	t.Parallel()
	const (
		host    = "fresh.cloud.microsoft"
		version = "2026112400"
	)
	good := publishedList(t, host, "evil.example")
	for name, c := range map[string]struct {
		dir     string
		refresh string
		heading string
		fresh   bool // the saved list counts
	}{
		"off":      {savedList(t, version, good), "false", "(worldwide): built in, published 2026-08-14; TLSLIFT_M365_REFRESH is off,", false},
		"saved":    {savedList(t, version, good), "true", "(worldwide): version 2026112400, checked 2026-11-24 17:00 UTC\n", true},
		"none":     {t.TempDir(), "true", "(worldwide): built in, published 2026-08-14, not checked yet\n", false},
		"torn":     {savedList(t, version, good[:100]), "true", "built in, published 2026-08-14\nThe saved list cannot be used: ", false},
		"rejected": {savedList(t, version, []byte(`[{"id":1,"serviceArea":"Exchange"}]`)), "true", "it lacks smtp.office365.com:587", false},
		"old":      {savedList(t, "2026010100", good), "true", "built in, published 2026-08-14", false},
	} {
		environ := map[string]string{"TLSLIFT_STATE_DIR": c.dir, "TLSLIFT_M365_REFRESH": c.refresh}
		got := runWith(t, environ, "endpoints")
		if got.code != exitOK || !strings.Contains(got.stdout, c.heading) || strings.Contains(got.stdout, "row 900, Common") != c.fresh {
			t.Errorf("%s: want %q and new hosts %v, got %.2000s%s", name, c.heading, c.fresh, got.stdout, got.stderr)
		}
		var shown struct {
			Version, Unusable string
			Endpoints         []any
		}
		js := runWith(t, environ, "endpoints", "--json")
		if err := json.Unmarshal([]byte(js.stdout), &shown); err != nil || len(shown.Endpoints) < 100 ||
			(shown.Version == version) != c.fresh || (shown.Unusable != "") != strings.Contains(got.stdout, "cannot be used") {
			t.Errorf("%s: as JSON %.300s (%v)", name, js.stdout, err)
		}
		asked := runWith(t, environ, "endpoints", host+":80")
		if want := "the host's allowed ports are 443"; !strings.Contains(asked.stderr, want) {
			t.Errorf("%s: want %q in %+v", name, want, asked)
		}
	}
	environ := map[string]string{"TLSLIFT_STATE_DIR": savedList(t, version, good), "TLSLIFT_M365_REFRESH": "true"}
	left := runWith(t, environ, "endpoints", "evil.example:443")
	want := "publishes it in row 900; it is left out because Microsoft is not known to run it"
	if left.code != exitFailure || !strings.Contains(left.stderr, want) {
		t.Errorf("a host that is left out: %+v", left)
	}
}

// The rules are for the addresses of the list in force.
func TestRulesOfTheSavedList(t *testing.T) {
	t.Parallel()
	list := strings.Replace(string(publishedList(t)), `"52.112.0.0/14"`, `"20.202.0.0/16"`, 1)
	environ := map[string]string{
		"TLSLIFT_STATE_DIR": savedList(t, "2026112400", []byte(list)), "TLSLIFT_LISTEN": "redirect://:3129",
	}
	for refresh, saved := range map[string]bool{"true": true, "false": false} {
		environ["TLSLIFT_M365_REFRESH"] = refresh
		got := runWith(t, environ, "rules")
		if got.code != exitOK || strings.Contains(got.stdout, "20.202.0.0/16") != saved ||
			strings.Contains(got.stdout, "version 2026112400 of Microsoft's list") != saved {
			t.Errorf("refresh %s: %.1500s%s", refresh, got.stdout, got.stderr)
		}
	}
}
