package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/clientcsv"
)

// A table becomes the clients file that config checks; a mistake prints nothing.
func TestImportClients(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "name;address;to;note\ncopier;192.0.2.31;smtp.hve.mx.microsoft:587;\"2nd floor; left\"\n")
	got := runWith(t, nil, "clients", "import", file)
	if got.code != exitOK || got.stderr != "" || !strings.Contains(got.stdout, `- name: "copier"`) {
		t.Fatalf("got %+v", got)
	}
	environ := map[string]string{"TLSLIFT_CLIENTS_FILE": writeFile(t, got.stdout)}
	if got := runWith(t, environ, "config", "--check"); got.code != exitOK || got.stderr != "" {
		t.Errorf("config --check: %+v", got)
	}
	file = writeFile(t, "name,address\na,192.0.2.300\nb,192.0.2.1\nb,192.0.2.1\n")
	got = runWith(t, nil, "clients", "import", file)
	if got.code != exitUsage || got.stdout != "" || strings.Count(got.stderr, "tlslift: "+file+": line ") != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestImportClientsUsage(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.csv")
	for args, want := range map[string]struct {
		code int
		text string
	}{
		"":                             {exitUsage, "tlslift: name one CSV file, or - for standard input"},
		"a b":                          {exitUsage, "tlslift: name one CSV file, or - for standard input"},
		missing:                        {exitFailure, "tlslift: cannot read " + missing + ": "},
		writeFile(t, ""):               {exitUsage, "the table is empty"},
		filepath.Dir(missing):          {exitFailure, "tlslift: cannot read "},
		writeFile(t, "a\xff,b\nc,d\n"): {exitUsage, "not UTF-8"},
	} {
		got := runWith(t, nil, append([]string{"clients", "import"}, strings.Fields(args)...)...)
		if got.code != want.code || !strings.Contains(got.stderr, want.text) || got.stdout != "" {
			t.Errorf("%q: got %+v, want %+v", args, got, want)
		}
	}
	help := runWith(t, nil, "clients", "import", "--help").stdout
	for _, name := range clientcsv.Columns() {
		if !strings.Contains(help, name) {
			t.Errorf("the help does not name %s", name)
		}
	}
}
