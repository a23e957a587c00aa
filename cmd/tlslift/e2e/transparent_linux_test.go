package e2e

import (
	"crypto/x509"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A gatewayLift is tlslift on a gateway, or on another host of its network.
type gatewayLift struct {
	*tlslift
	*network
	mail *mailServer
	web  *nginx
}

// startGateway runs tlslift on a host of a new network; listen is its one
// listener. Behind the gateway are Postfix, Dovecot and nginx at addresses that
// Microsoft publishes, and at one that is not Microsoft's.
func startGateway(t *testing.T, on func(*network) namespace, listen string, settings ...string) *gatewayLift {
	t.Helper()
	g := &gatewayLift{network: newNetwork(t), mail: startMailServer(t, mailOptions{})}
	g.web = startNginx(t, g.mail.pki, modernTLS, false, func(c *x509.Certificate) {
		c.DNSNames = append(c.DNSNames, signInHost, "www.example.com")
	})
	for _, address := range []string{mailAddress, mailAddress6, otherMail, signInAddress, strange} {
		for _, port := range []int{587, 143, 993, 995} {
			g.internet.serve(t, net.JoinHostPort(address, strconv.Itoa(port)), g.mail.at[port])
		}
		g.internet.serve(t, net.JoinHostPort(address, "443"), g.web.address)
	}
	g.mail.put(mailUser, storedMail)
	ns := on(g.network)
	g.tlslift = prepare(t, []string{"ip", "netns", "exec", string(ns)}, "", g.mail.pki.pem, append([]string{
		"TLSLIFT_LISTEN=" + listen, "TLSLIFT_CONNECT_TO=",
	}, settings...)...)
	g.http = ns.client()
	g.tlslift.run()
	return g
}

func onGateway(n *network) namespace { return n.gateway }
func onBox(n *network) namespace     { return n.box }

// rules are what tlslift prints for its settings.
func (g *gatewayLift) rules(t *testing.T, args ...string) string {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	out, err := run(t, "", "env", append(append([]string{"-i"}, g.cmd.Env...), append([]string{bin, "rules"}, args...)...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// A visit is one connection of a client that knows of no proxy.
type visit struct {
	name    string
	address string // of whom it connects to; its name is used where there is none
	port    string
	level   mailLevel
	// want is the destination in tlslift's log.
	want string
	// get asks for a web page with or without a server name, mail sends or reads
	// mail.
	client string // openssl, openssl without SNI, curl; or a mail client's name
	mail   string // protocol
	begin  string // as in mailCall
}

// visits are clients of every kind; all of them must get through.
func visits() []visit {
	var all []visit
	for _, level := range []mailLevel{atTLS10, modern} {
		for family, address := range map[string]string{"IPv4": mailAddress, "IPv6": mailAddress6} {
			name := level.name + " " + family + " "
			all = append(all,
				visit{name + "HTTPS openssl", address, "443", level, host + ":443", "openssl", "", ""},
				visit{name + "HTTPS openssl without SNI", address, "443", level, host + ":443", "openssl without SNI", "", ""},
				visit{name + "SMTP swaks", address, "587", level, smtpHost + ":587", "swaks", "smtp", startTLS},
				visit{name + "SMTP openssl", address, "587", level, smtpHost + ":587", "openssl", "smtp", startTLS},
				visit{name + "SMTP java", address, "587", level, smtpHost + ":587", "java", "smtp", startTLS},
				visit{name + "IMAPS openssl", address, "993", level, host + ":993", "openssl", "imap", implicitTLS},
				visit{name + "IMAPS java", address, "993", level, host + ":993", "java", "imap", implicitTLS},
				visit{name + "IMAP python", address, "143", level, host + ":143", "python", "imap", startTLS},
				visit{name + "POP3S curl", address, "995", level, host + ":995", "curl", "pop3", implicitTLS},
			)
		}
		all = append(all,
			visit{level.name + " HTTPS curl", "", "443", level, host + ":443", "curl", "", ""},
			// The row of the address tells the name.
			visit{level.name + " HTTPS without SNI at an address of no name", otherMail, "443", level, host + ":443", "openssl without SNI", "", ""},
			visit{level.name + " SMTP at an address of no name", otherMail, "587", level, smtpHost + ":587", "swaks", "smtp", startTLS},
			visit{level.name + " sign-in without SNI", signInAddress, "443", level, signInHost + ":443", "openssl without SNI", "", ""},
		)
	}
	return append(all,
		visit{"SSLv2-format SMTP java", mailAddress, "587", sslv2Hello, smtpHost + ":587", "java", "smtp", startTLS},
		visit{"SSLv2-format IMAPS java", mailAddress6, "993", sslv2Hello, host + ":993", "java", "imap", implicitTLS},
	)
}

// everyVisit has all clients go through.
func (g *gatewayLift) everyVisit(t *testing.T) {
	t.Helper()
	for _, v := range visits() {
		t.Run(v.name, func(t *testing.T) { g.visit(t, v) })
	}
}

// someVisits has clients go through that come over both IPv4 and IPv6, lifted and
// passed.
func (g *gatewayLift) someVisits(t *testing.T) {
	t.Helper()
	for _, v := range visits() {
		if v.client == "swaks" || v.client == "openssl without SNI" {
			t.Run(v.name, func(t *testing.T) { g.visit(t, v) })
		}
	}
}

// visit has a client go through, and checks that it trusted whom it had to:
// tlslift's CA when lifted, and the servers' own when passed.
func (g *gatewayLift) visit(t *testing.T, v visit) {
	t.Helper()
	want := map[string]string{}
	if v.address != "" {
		want["original"] = net.JoinHostPort(v.address, v.port)
	}
	g.mayVisit(t, v, want)
}

// mayVisit is visit with more that is to be in the log.
func (g *gatewayLift) mayVisit(t *testing.T, v visit, more map[string]string) {
	t.Helper()
	outcome, caFile := "lifted", g.caFile
	if v.level.why == modern.why {
		outcome, caFile = "passed", g.mail.rootFile(t)
	}
	if v.mail != "" {
		g.mailVisit(t, v, caFile)
	} else {
		out, err := g.webVisit(t, v, caFile)
		if err != nil || !strings.Contains(out, "hello from nginx") {
			t.Fatalf("%v\n%s\n%s", err, end(out), g.log())
		}
	}
	want := map[string]string{"outcome": outcome, "rule": v.level.why, "destination": v.want, "client": "77::2", "reason": "",
		"offered": v.level.offered}
	if !strings.Contains(v.address, ":") {
		want["client"] = "10.77.0.2"
	}
	maps.Copy(want, more)
	g.record(t, want)
}

func (g *gatewayLift) webVisit(t *testing.T, v visit, caFile string) (string, error) {
	t.Helper()
	if v.client == "curl" {
		return g.client.run(t, "", "curl", append([]string{"-sS", "-4", "--cacert", caFile, "https://" + host + "/"}, v.level.curl...)...)
	}
	args := []string{"s_client", "-ign_eof", "-connect", net.JoinHostPort(v.address, v.port), "-CAfile", caFile, "-verify_return_error"}
	if v.client == "openssl" {
		args = append(args, "-servername", host, "-verify_hostname", host)
	} else {
		args = append(args, "-noservername")
	}
	return g.client.run(t, request, "openssl", append(args, v.level.openssl...)...)
}

func (g *gatewayLift) mailVisit(t *testing.T, v visit, caFile string) {
	t.Helper()
	c := mailCall{
		level: v.level, protocol: v.mail, tlsMode: v.begin, address: net.JoinHostPort(v.address, v.port), caFile: caFile,
		to: freshMailbox(), in: g.client,
	}
	if v.client == "java" {
		if out := javaMail(t, []mailCall{c}); !strings.HasPrefix(out[0], "done") {
			t.Fatalf("%s\n%s", out[0], g.log())
		}
		return
	}
	out, err := mailClients[v.client](t, c)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, end(out), g.log())
	}
	g.mail.done(t, c, out)
}

// redirect loads the rules that tlslift prints, as printed.
func (g *gatewayLift) redirect(t *testing.T, ns namespace, args ...string) {
	t.Helper()
	ns.nft(t, g.rules(t, args...))
}

func TestRedirectedClients(t *testing.T) {
	t.Parallel()
	g := startGateway(t, onGateway, "redirect://:3129")
	g.redirect(t, g.gateway, "--interface", "to77")
	g.everyVisit(t)
	t.Run("iptables", func(t *testing.T) {
		g.gateway.mustRun(t, "nft", "flush", "ruleset")
		g.gateway.sh(t, g.rules(t, "--interface", "to77", "--iptables"))
		g.someVisits(t)
	})
}

func TestTPROXYClients(t *testing.T) {
	t.Parallel()
	g := startGateway(t, onGateway, "tproxy://:3130")
	g.redirect(t, g.gateway, "--interface", "to77")
	g.gateway.sh(t, g.rules(t, "--routes"))
	g.everyVisit(t)
	g.turnsAway(t, []intruder{
		{"direct connection", "openssl", toServer("10.77.0.1:3130", "-servername", host), accessDenied, "not_redirected", ""},
	})
	t.Run("iptables", func(t *testing.T) {
		g.gateway.mustRun(t, "nft", "flush", "ruleset")
		g.gateway.sh(t, g.rules(t, "--interface", "to77", "--iptables"))
		g.someVisits(t)
	})
}

// A listener on one address needs DNAT.
func TestDNATClients(t *testing.T) {
	t.Parallel()
	g := startGateway(t, onGateway, "redirect://10.77.0.1:3129,redirect://[fd77::1]:3129")
	rules := g.rules(t)
	if !strings.Contains(rules, "dnat to 10.77.0.1:3129") || !strings.Contains(rules, "dnat to [fd77::1]:3129") {
		t.Fatalf("the rules do not lead there:\n%s", rules)
	}
	g.gateway.nft(t, rules)
	g.someVisits(t)
}

// Programs on the gateway itself are caught too, and tlslift's own connections
// are not.
func TestLocalClients(t *testing.T) {
	t.Parallel()
	g := startGateway(t, onGateway, "redirect://:3129")
	g.redirect(t, g.gateway, "--local")
	c := mailCall{level: atTLS10, protocol: "smtp", tlsMode: startTLS, address: mailAddress + ":587", caFile: g.caFile, to: freshMailbox(),
		in: g.gateway}
	if out, err := swaksMail(t, c); err != nil {
		t.Fatalf("%v\n%s\n%s", err, end(out), g.log())
	}
	g.mail.arrived(t, c.to, 1)
	g.record(t, map[string]string{"outcome": "lifted", "client": "10.78.0.1", "destination": smtpHost + ":587",
		"original": mailAddress + ":587"})
	g.visit(t, visits()[0])
}

// onOtherHost are the ways in which a router can bring its clients to tlslift
// on another host.
const (
	// routeToBox leaves addresses alone: tlslift's host redirects.
	routeToBox = `table inet route {
  chain prerouting {
    type filter hook prerouting priority mangle; policy accept;
    iifname "to77" meta l4proto tcp ip daddr { 52.96.0.0/14, 40.126.0.0/18 } meta mark set 0x99
    iifname "to77" meta l4proto tcp ip6 daddr 2603:1026::/36 meta mark set 0x99
  }
}
`
	// dnatToBox changes them: what is left of the destination is its port.
	dnatToBox = `table inet route {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "to77" ip daddr { 52.96.0.0/14, 40.126.0.0/18 } tcp dport { 443, 587, 993, 3129 } dnat ip to 10.79.0.2
  }
}
`
)

func TestPolicyRouting(t *testing.T) {
	t.Parallel()
	g := startGateway(t, onBox, "redirect://:3129")
	g.gateway.nft(t, routeToBox)
	for family, via := range map[string]string{"-4": "10.79.0.2", "-6": "fd79::2"} {
		g.gateway.ip(t, family+" rule add fwmark 0x99 lookup 99")
		g.gateway.ip(t, family+" route add default via "+via+" table 99")
	}
	g.redirect(t, g.box, "--interface", "eth0")
	g.someVisits(t)
}

func TestDNATFromAnotherHost(t *testing.T) {
	t.Parallel()
	g := startGateway(t, onBox, "smtp://:587,imaps://:993,tls://:443,redirect://:3129")
	g.gateway.nft(t, dnatToBox)
	for _, level := range []mailLevel{atTLS10, modern} {
		for _, v := range []visit{
			{"SMTP", mailAddress, "587", level, smtpHost + ":587", "swaks", "smtp", startTLS},
			{"IMAPS", mailAddress, "993", level, host + ":993", "openssl", "imap", implicitTLS},
			{"HTTPS", mailAddress, "443", level, host + ":443", "openssl", "", ""},
		} {
			t.Run(level.name+" "+v.name, func(t *testing.T) { g.mayVisit(t, v, map[string]string{"original": ""}) })
		}
	}
	g.turnsAway(t, []intruder{
		{"to redirect://", "openssl", toServer(mailAddress+":3129", "-servername", host), accessDenied, "not_redirected", ""},
	})
}

// haproxyConf is a balancer that tells where a redirected client was going.
const haproxyConf = `
defaults
  mode tcp
  timeout connect 30s
  timeout client 30s
  timeout server 30s
listen redirected
  bind 10.77.0.1:3200
  server box 10.79.0.2:3129 send-proxy-v2
`

// Clients behind a balancer keep their identities, and where they were going.
func TestRedirectedBehindBalancer(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "haproxy")
	g := startGateway(t, onBox, "redirect://:3129", "TLSLIFT_TRUSTED_PROXIES=10.79.0.1")
	conf := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(conf, []byte(haproxyConf), 0o600); err != nil {
		t.Fatal(err)
	}
	g.gateway.runServer(t, "10.77.0.1:3200", "haproxy", "-db", "-f", conf)
	g.gateway.nft(t, `table inet balancer {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "to77" ip daddr 52.96.0.0/14 tcp dport { 443, 587 } redirect to :3200
  }
}
`)
	for _, client := range []string{"10.77.0.2", "10.77.0.3"} {
		out, err := g.client.run(t, "", "curl",
			append([]string{"-sS", "-4", "--interface", client, "--cacert", g.caFile, "https://" + host + "/"}, atTLS10.curl...)...)
		if err != nil || !strings.Contains(out, "hello from nginx") {
			t.Fatalf("%v\n%s\n%s", err, out, g.log())
		}
		g.record(t, map[string]string{"outcome": "lifted", "client": client, "original": mailAddress + ":443", "destination": host + ":443"})
		if lines := g.metric(t, "tlslift_client_connections_total", `client="`+client+`"`, `outcome="lifted"`); len(lines) != 1 {
			t.Errorf("%s has %q", client, lines)
		}
	}
	g.visit(t, visit{"mail", mailAddress, "587", atTLS10, smtpHost + ":587", "swaks", "smtp", startTLS})
}
