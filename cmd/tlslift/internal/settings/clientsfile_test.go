package settings

import (
	"path/filepath"
	"strings"
	"testing"
)

// Each mistake in the clients file is a line with its place.
func TestClientsFileMistakes(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "clients:\n- name: a\n  adress: 192.0.2.1\n- name: b\n  address: 192.0.2.300\n")
	_, err := loadWith(map[string]string{"TLSLIFT_CLIENTS_FILE": file}, "")
	for _, want := range []string{
		"TLSLIFT_CLIENTS_FILE: " + file + ": line 3, column 3: ", "did you mean address?",
		"TLSLIFT_CLIENTS_FILE: " + file + ": line 5, column 12: ",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// A file that cannot be read is no wrong setting: trying again may help.
func TestClientsFileMissing(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	cfg, err := loadWith(map[string]string{"TLSLIFT_CLIENTS_FILE": missing}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.ClientTable(); err == nil || !strings.Contains(err.Error(), "TLSLIFT_CLIENTS_FILE: cannot read "+missing) {
		t.Errorf("got %v", err)
	}
}

// Names in reverse DNS are of no use without it.
func TestClientsFileWithHosts(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "clients:\n- {name: a, host: printer-7.example.com}\n")
	_, err := loadWith(map[string]string{"TLSLIFT_CLIENTS_FILE": file}, "")
	want := "TLSLIFT_CLIENTS_FILE: " + file + ": host is the name in reverse DNS; set TLSLIFT_REVERSE_DNS=true"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	cfg, err := loadWith(map[string]string{"TLSLIFT_CLIENTS_FILE": file, "TLSLIFT_REVERSE_DNS": "true"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if table, err := cfg.ClientTable(); err != nil || !table.HasHost("printer-7.example.com") {
		t.Errorf("got %v", err)
	}
}

// The example for operators is a valid file.
func TestExampleClientsFile(t *testing.T) {
	t.Parallel()
	cfg := &Config{ClientsFile: filepath.Join("..", "..", "..", "..", "deploy", "clients.yaml")}
	table, err := cfg.ClientTable()
	if err != nil || table.Len() != 4 {
		t.Errorf("got %d clients, %v", table.Len(), err)
	}
}
