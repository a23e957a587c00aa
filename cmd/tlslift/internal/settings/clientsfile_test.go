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
	if err != nil || table.Len() != 5 {
		t.Errorf("got %d clients, %v", table.Len(), err)
	}
}

// A client may go where everybody may, and nowhere else.
func TestClientsFileWithDestinations(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "clients:\n- {name: a, address: 192.0.2.1, to: smtp-hve.office365.com:587}\n"+
		"- {name: b, address: 192.0.2.2, to: [contoso-com.mail.protection.outlook.com:25, mail.example.com:993]}\n"+
		"- {name: c, address: 192.0.2.3, to: smtp.office365.com:2525}\n")
	_, err := loadWith(map[string]string{"TLSLIFT_CLIENTS_FILE": file}, "")
	want := "TLSLIFT_CLIENTS_FILE: " + file + `: client "b": to=mail.example.com:993: destination "mail.example.com:993" is not allowed: ` +
		"the host is not in the list of Microsoft 365 (worldwide) and was not added to it; add it to TLSLIFT_DESTINATIONS\n" +
		"TLSLIFT_CLIENTS_FILE: " + file + `: client "c": to=smtp.office365.com:2525: destination "smtp.office365.com:2525" is not allowed: ` +
		"the host's allowed ports are 25,80,143,443,587,993,995; add it to TLSLIFT_DESTINATIONS"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	mustLoad(t, map[string]string{
		"TLSLIFT_CLIENTS_FILE": file, "TLSLIFT_DESTINATIONS": "mail.example.com:993,smtp.office365.com:2525",
	})
}
