package checkclient

import (
	"encoding/json"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	clientsYAML = `clients:
- {name: scanner, address: 192.168.20.31, ciphers: [rc4], leaf: {hash: sha1}}
- {name: till, address: 192.168.20.40, plaintext: allow, to: smtp.hve.mx.microsoft:587}
- {name: floor, network: 192.168.30.0/24}
`
	signInYAML = `tenant: contoso.onmicrosoft.com
application: {id: 11111111-2222-3333-4444-555555555555, secret_file: app-secret}
mailboxes:
- {address: scan@contoso.com, clients: [scanner]}
`
)

// TestMain makes the times that are printed the same everywhere.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seen are the clients that a tlslift that runs knows.
func seen() []inventory.Client {
	at := time.Date(2026, 8, 1, 10, 0, 0, 0, time.UTC)
	addr := netip.MustParseAddr
	failed := record.ReasonSMTPAuthFailed
	return []inventory.Client{
		{
			Client: "scanner", Name: "scanner", Address: addr("192.168.20.31"), LastSeen: time.Now(), Offered: "TLS 1.0", SSLv2Format: true,
			Rule: record.RuleHelloFormat, Version: "TLS 1.0", CipherSuite: "TLS_RSA_WITH_RC4_128_SHA", Protocols: []string{"smtp"},
			Destinations: []string{"smtp.office365.com:587"}, Listeners: []string{"smtp://[::]:587"},
			Outcomes: map[record.Outcome]uint64{record.OutcomeLifted: 12, record.OutcomeRefused: 3}, LastLifted: at, LastLegacy: at,
			Failure: &inventory.Failure{
				At: at, Reason: failed, Fault: failed.Fault(), Cause: failed.Cause(), Remedy: failed.Remedy(), Detail: "hunter2\x1b[1m",
			},
			SMTPReply: "535 5.7.3",
		},
		{
			Client: "10.0.0.7", Address: addr("10.0.0.7"), Offered: "TLS 1.3", SendsSNI: true, Rule: record.RuleCapable,
			LastGood: at, LastCapable: at, Listeners: []string{"proxy://[::]:3128"}, Outcomes: map[record.Outcome]uint64{record.OutcomePassed: 2},
		},
		{Client: "till", Name: "till", Address: addr("192.168.20.40"), Offered: record.VersionNone, Rule: record.RulePlaintext},
	}
}

// reportOf asks about a client of a tlslift that runs, unless it does not.
func reportOf(t *testing.T, key string, runs bool, environ map[string]string) (Report, error) {
	t.Helper()
	handler, err := statuspage.New(statuspage.Options{Inventory: testenv.NewInventory(seen()...)})
	must(t, err)
	admin := httptest.NewServer(handler)
	t.Cleanup(admin.Close)
	address := strings.TrimPrefix(admin.URL, "http://")
	if !runs {
		address = testenv.FreeAddress(t)
	}
	all := map[string]string{
		"HOME": "/x", "LOCALAPPDATA": "/x", "TLSLIFT_STATE_DIR": "/var/lib/tlslift", "TLSLIFT_ADMIN_LISTEN": address,
		"TLSLIFT_LISTEN":       "smtp://:587,smtps://192.168.20.1:465,proxy://:3128,redirect://:3129,tls://127.0.0.1:8443",
		"TLSLIFT_CLIENTS_FILE": testenv.WriteFile(t, "clients.yaml", []byte(clientsYAML)),
	}
	for name, value := range environ {
		all[name] = value
	}
	cfg, err := settings.Source{Environ: all, Asks: true}.Load()
	must(t, err)
	machine := Machine{
		Hostname: func() (string, error) { return "gateway.example.com", nil },
		Addresses: func() (all []net.Addr, _ error) {
			for _, a := range []string{"127.0.0.1/8", "fe80::1/64", "2001:db8::5/64", "10.1.0.5/16", "192.168.20.1/24"} {
				ip, network, err := net.ParseCIDR(a)
				must(t, err)
				all = append(all, &net.IPNet{IP: ip, Mask: network.Mask})
			}
			return all, nil
		},
	}
	return Of(t.Context(), cfg, machine, key)
}

// What is printed of a client that fails is all that an administrator needs at its panel.
func TestReport(t *testing.T) {
	t.Parallel()
	secret := testenv.WriteFile(t, "app-secret", []byte("hunter3\n"))
	signIn := testenv.WriteFile(t, "signin.yaml", []byte(strings.Replace(signInYAML, "app-secret", secret, 1)))
	for name, tt := range map[string]struct {
		key     string
		stopped bool
		environ map[string]string
	}{
		"failing":        {key: "scanner"},
		"by-address":     {key: "192.168.20.31", environ: map[string]string{"TLSLIFT_SIGNIN_FILE": signIn, "TLSLIFT_PUBLIC_LISTEN": ":8080"}},
		"passed":         {key: "10.0.0.7"},
		"plaintext":      {key: "till"},
		"not-seen":       {key: "192.168.30.9"},
		"nobody-answers": {key: "floor", stopped: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := reportOf(t, tt.key, !tt.stopped, tt.environ)
			must(t, err)
			var text, asJSON strings.Builder
			must(t, report.Print(&text, false))
			must(t, report.Print(&asJSON, true))
			var again Report
			must(t, json.Unmarshal([]byte(asJSON.String()), &again))
			all := text.String() + asJSON.String()
			if strings.Contains(all, "hunter3") || strings.Contains(all, "\x1b") || again.Client != report.Client {
				t.Errorf("got %s", asJSON.String())
			}
			// The ports of the test differ each time.
			ports := strings.NewReplacer(addressIn(text.String()), "ADDRESS")
			testenv.WantFile(t, filepath.Join("testdata", name+".txt"), ports.Replace(text.String()))
			if name == "failing" {
				testenv.WantFile(t, filepath.Join("testdata", name+".json"), ports.Replace(asJSON.String()))
			}
		})
	}
}

// addressIn returns the address of the admin address in a text.
func addressIn(text string) string {
	_, rest, found := strings.Cut(text, "http://127.0.0.1:")
	if !found {
		return "no address"
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	return "127.0.0.1:" + rest[:end]
}

// A client that nobody knows is an error, which says which one was meant.
func TestUnknownClient(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{"scaner": "scanner", "nothing like it": "no client"} {
		if _, err := reportOf(t, key, true, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", key, err)
		}
	}
	if _, err := reportOf(t, "scaner", false, nil); err == nil || !strings.Contains(err.Error(), "TLSLIFT_ADMIN_LISTEN") {
		t.Errorf("got %v", err)
	}
}
