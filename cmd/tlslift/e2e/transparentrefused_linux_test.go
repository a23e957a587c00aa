package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// tooWide redirects what is not Microsoft's as well.
const tooWide = `table inet wide {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "to77" fib daddr type local return
    iifname "to77" tcp dport { 22, 443, 587 } redirect to :3129
  }
}
`

// toServer is how openssl s_client goes to an address.
func toServer(address string, more ...string) []string {
	return append([]string{"s_client", "-ign_eof", "-connect", address}, more...)
}

// An intruder is a client that must be told no.
type intruder struct {
	name, program string
	args          []string
	told          string // what it prints
	reason        string
	original      string
}

func (g *gatewayLift) turnsAway(t *testing.T, all []intruder) {
	t.Helper()
	for _, i := range all {
		t.Run(i.name, func(t *testing.T) {
			out, err := g.client.run(t, request, i.program, i.args...)
			if err == nil && i.program != "openssl" || !strings.Contains(out, i.told) {
				t.Errorf("want %q, got %v:\n%s", i.told, err, end(out))
			}
			rec := g.record(t, map[string]string{"outcome": "refused", "reason": i.reason, "original": i.original})
			if rec["cause"] == "" || rec["remedy"] == "" {
				t.Errorf("the log does not say why: %v", rec)
			}
			if lines := g.metric(t, "tlslift_client_failures_total", `reason="`+i.reason+`"`); len(lines) == 0 {
				t.Errorf("%s is not counted", i.reason)
			}
		})
	}
}

const accessDenied = "alert access denied"

func TestRedirectedElsewhere(t *testing.T) {
	t.Parallel()
	g := startGateway(t, onGateway, "redirect://:3129")
	g.gateway.nft(t, tooWide)
	g.turnsAway(t, []intruder{
		{"forbidden destination", "openssl", toServer(strange+":443", "-servername", "www.example.com"), accessDenied, "destination_not_allowed",
			strange + ":443"},
		{"forbidden destination without SNI", "openssl", toServer(strange+":443", "-noservername"), "unrecognized name", "no_server_name",
			strange + ":443"},
		{"forbidden mail server", "swaks", []string{"--server", strange, "--port", "587", "--to", "a@example.com"}, "554 5.7.1", "no_server_name",
			strange + ":587"},
		{"spoofed SNI", "openssl", toServer(mailAddress+":443", "-servername", "www.example.com"), accessDenied, "destination_not_allowed",
			mailAddress + ":443"},
		{"spoofed SNI after STARTTLS", "openssl", toServer(mailAddress+":587", "-servername", "www.example.com", "-starttls", "smtp"),
			accessDenied, "destination_not_allowed", mailAddress + ":587"},
		{"forbidden port", "openssl", toServer(mailAddress+":22", "-servername", host), accessDenied, "destination_port_not_allowed",
			mailAddress + ":22"},
		{"direct connection", "openssl", toServer("10.77.0.1:3129", "-servername", host), accessDenied, "not_redirected", ""},
		{"direct connection over IPv6", "openssl", toServer("[fd77::1]:3129", "-servername", host), accessDenied, "not_redirected", ""},
	})
	t.Run("a name leads only to where tlslift looks it up", func(t *testing.T) {
		// Nobody listens where the client wants to go.
		out, err := g.client.run(t, request, "openssl",
			toServer("9.9.9.10:443", "-servername", host, "-tls1", "-cipher", lowestSecurity, "-CAfile", g.caFile, "-verify_return_error")...)
		if err != nil || !strings.Contains(out, "hello from nginx") {
			t.Errorf("%v\n%s", err, end(out))
		}
		g.record(t, map[string]string{"outcome": "lifted", "destination": host + ":443", "original": "9.9.9.10:443"})
	})
}

// With unmatched=bypass nothing that the rules caught by mistake is blocked.
func TestOtherDestinationsPass(t *testing.T) {
	t.Parallel()
	g := startGateway(t, onGateway, "redirect://:3129?unmatched=bypass")
	// Nor are they careful with the gateway's own addresses.
	g.gateway.nft(t, strings.Replace(tooWide, `iifname "to77" fib daddr type local return`, "", 1))
	g.gateway.ip(t, "addr add 9.8.7.6/32 dev lo")
	root := g.mail.rootFile(t)
	verified := []string{"-CAfile", root, "-verify_return_error"}
	for name, args := range map[string][]string{
		"modern":      append(verified, "-servername", "www.example.com"),
		"without SNI": append(verified, "-noservername"),
		"HTTP 1.0":    append(verified, "-servername", "www.example.com", "-tls1_2"),
	} {
		out, err := g.client.run(t, request, "openssl", toServer(strange+":443", args...)...)
		if err != nil || !strings.Contains(out, "hello from nginx") {
			t.Errorf("%s: %v\n%s", name, err, end(out))
		}
		g.record(t, map[string]string{"outcome": "passed", "rule": "bypass", "destination": strange + ":443", "original": strange + ":443",
			"reason": ""})
	}
	t.Run("mail", func(t *testing.T) {
		c := mailCall{level: modern, protocol: "smtp", tlsMode: startTLS, address: strange + ":587", caFile: root, to: freshMailbox(),
			in: g.client}
		if out, err := swaksMail(t, c); err != nil {
			t.Errorf("%v\n%s", err, end(out))
		}
		g.mail.arrived(t, c.to, 1)
		g.record(t, map[string]string{"outcome": "passed", "rule": "bypass", "destination": strange + ":587"})
	})
	t.Run("a server that speaks first", func(t *testing.T) {
		g.internet.serve(t, strange+":22", g.mail.at[587])
		out, err := g.client.run(t, "QUIT\r\n", "bash",
			"-c", "exec 3<>/dev/tcp/"+strange+"/22; read -r line <&3; echo \"$line\"; cat >&3; cat <&3")
		if err != nil || !strings.Contains(out, "220 ") || !strings.Contains(out, "221 ") {
			t.Errorf("%v\n%s", err, out)
		}
		g.record(t, map[string]string{"outcome": "passed", "rule": "bypass", "destination": strange + ":22"})
	})
	t.Run("HTTP on the port of TLS", func(t *testing.T) {
		out, err := g.client.run(t, "", "curl", "-sS", "http://"+strange+":443/")
		if err != nil || !strings.Contains(out, "plain HTTP request was sent to HTTPS port") {
			t.Errorf("%v\n%s", err, out)
		}
		g.record(t, map[string]string{"outcome": "passed", "rule": "bypass", "destination": strange + ":443"})
	})
	t.Run("what may be lifted is lifted", func(t *testing.T) {
		g.visit(t, visit{address: mailAddress, port: "443", level: atTLS10, want: host + ":443", client: "openssl without SNI"})
	})
	g.turnsAway(t, []intruder{
		{"private address", "openssl", toServer("10.79.0.2:443", "-servername", "www.example.com"), accessDenied, "destination_address_forbidden",
			"10.79.0.2:443"},
		{"the gateway itself", "openssl", toServer("9.8.7.6:443", "-servername", "www.example.com"), accessDenied,
			"destination_address_forbidden", "9.8.7.6:443"},
		{"direct connection", "openssl", toServer("10.77.0.1:3129", "-servername", "www.example.com"), accessDenied, "not_redirected", ""},
	})
	// A gateway may get an address while it runs, here the one to which an allowed name leads.
	g.gateway.ip(t, "addr add "+mailAddress+"/32 dev lo")
	g.gateway.ip(t, "addr add "+mailAddress6+"/128 dev lo")
	g.turnsAway(t, []intruder{{"a name that leads to the gateway", "openssl",
		append(toServer(mailAddress+":443", "-servername", host, "-tls1"), "-cipher", lowestSecurity), accessDenied,
		"destination_address_forbidden", mailAddress + ":443"}})
}

// caughtOurselves redirects the gateway's own connections without an exception.
const caughtOurselves = `table inet loop {
  chain output {
    type nat hook output priority -100; policy accept;
    tcp dport { 443, 587, 993 } redirect to :3129
  }
}
`

func TestLoop(t *testing.T) {
	t.Parallel()
	g := startGateway(t, onGateway, "redirect://:3129")
	g.gateway.nft(t, tooWide+caughtOurselves)
	for name, args := range map[string][]string{
		"lifted": {"-servername", host, "-tls1", "-cipher", lowestSecurity}, "passed": {"-servername", host}, "without SNI": {"-noservername"},
	} {
		t.Run(name, func(t *testing.T) {
			out, _ := g.client.run(t, request, "openssl", toServer(mailAddress+":443", args...)...)
			if !strings.Contains(out, accessDenied) {
				t.Errorf("got %s", end(out))
			}
			// Our own, from fd78::1 or 10.78.0.1: the first address that answers wins.
			g.record(t, map[string]string{"outcome": "refused", "reason": "redirect_loop", "client": "78"})
			rec := g.record(t, map[string]string{"outcome": "refused", "reason": "redirect_loop", "client": "10.77.0.2"})
			if remedy, _ := rec["remedy"].(string); !strings.Contains(remedy, "TLSLIFT_UPSTREAM_MARK") {
				t.Errorf("the remedy is %q", remedy)
			}
		})
	}
	t.Run("mail", func(t *testing.T) {
		out, err := g.client.run(t, "", "swaks", "--server", mailAddress, "--port", "587", "--to", "a@example.com")
		if err == nil || !strings.Contains(out, "554 5.4.6") {
			t.Errorf("got %v:\n%s", err, end(out))
		}
		g.record(t, map[string]string{"outcome": "refused", "reason": "redirect_loop", "client": "10.77.0.2"})
	})
	t.Run("the mark breaks it", func(t *testing.T) {
		g.gateway.nft(t, "insert rule inet loop output meta mark 0x746c return\n")
		g.visit(t, visit{address: mailAddress, port: "587", level: atTLS10, want: smtpHost + ":587", client: "swaks", mail: "smtp",
			begin: startTLS})
	})
}

// Capabilities in the words of setpriv; the user is one who has none.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "setpriv")
	n := newNetwork(t)
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	// The program's own folder is root's alone.
	dir := openDir(t)
	mustRun(t, "install", "-m", "0755", bin, filepath.Join(dir, "tlslift"))
	bin = filepath.Join(dir, "tlslift")
	for _, tt := range []struct {
		name, caps string
		settings   []string
		says       string // in the log or the error
		starts     bool
	}{
		{"redirect without any", "-all", []string{"TLSLIFT_LISTEN=redirect://:3129"}, "no firewall mark", true},
		{"redirect without any, and no mark", "-all", []string{"TLSLIFT_LISTEN=redirect://:3129", "TLSLIFT_UPSTREAM_MARK=0"}, `"started"`, true},
		{"a mark without any", "-all", []string{"TLSLIFT_LISTEN=redirect://:3129", "TLSLIFT_UPSTREAM_MARK=7"},
			"TLSLIFT_UPSTREAM_MARK: cannot mark connections with 0x7: operation not permitted; give tlslift CAP_NET_ADMIN", false},
		{"tproxy without any", "-all", []string{"TLSLIFT_LISTEN=tproxy://:3129"}, "CAP_NET_ADMIN", false},
		{"tproxy with NET_ADMIN", "-all,+net_admin", []string{"TLSLIFT_LISTEN=tproxy://:3129"}, `"started"`, true},
		{"low port without any", "-all", []string{"TLSLIFT_LISTEN=redirect://:443"}, "CAP_NET_BIND_SERVICE", false},
		{"low port with NET_BIND_SERVICE", "-all,+net_bind_service", []string{"TLSLIFT_LISTEN=redirect://:443"}, "no firewall mark", true},
		{"both", "-all,+net_admin,+net_bind_service", []string{"TLSLIFT_LISTEN=tproxy://:443"}, `"started"`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state := filepath.Join(dir, strings.ReplaceAll(tt.name, " ", "-"))
			if err := os.Mkdir(state, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(state, 65534, 65534); err != nil {
				t.Fatal(err)
			}
			l := prepare(t, []string{"ip", "netns", "exec", string(n.gateway), "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
				"--inh-caps", tt.caps, "--ambient-caps", tt.caps, "--bounding-set", tt.caps}, "", nil,
				append([]string{"TLSLIFT_CONNECT_TO=", "TLSLIFT_UPSTREAM_CA_FILE=", "TLSLIFT_STATE_DIR=" + state}, tt.settings...)...)
			l.cmd.Args[len(l.cmd.Args)-2] = bin
			l.http = n.gateway.client()
			if tt.starts {
				l.run()
				l.stop()
			} else if out, err := l.cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), tt.says) {
				t.Errorf("want %q, got %v:\n%s", tt.says, err, out)
			}
			if tt.starts && !strings.Contains(l.log(), tt.says) {
				t.Errorf("want %q in the log:\n%s", tt.says, l.log())
			}
		})
	}
}
