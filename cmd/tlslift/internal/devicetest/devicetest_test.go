package devicetest

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/smtp"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/checkclient"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const password = "hunter2-hunter2-hunter2"

// scanner returns a device that sends mails by TLS 1.0 and trusts the CA.
func (w *world) scanner(scheme listener.Scheme) (*fakem365.Client, fakem365.Mail) {
	client := &fakem365.Client{
		Address: w.addresses[scheme], Roots: w.roots(), MaxVersion: tls.VersionTLS10,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	}
	mail := fakem365.Mail{
		User: "scan@contoso.com", Password: password, From: "scan@contoso.com", To: []string{"a@contoso.com"},
		Data: []byte("Subject: x\n\nscan\n"),
	}
	if scheme.ImplicitTLS() {
		mail.Security = fakem365.ImplicitTLS
	}
	return client, mail
}

// A device that works and verifies certificates is known after two presses.
func TestScanner(t *testing.T) {
	t.Parallel()
	for _, scheme := range []listener.Scheme{listener.SchemeSMTP, listener.SchemeSMTPS} {
		w := start(t, nil)
		client, mail := w.scanner(scheme)
		_, err := client.SendMail(t.Context(), mail)
		must(t, err)
		if _, err := client.SendMail(t.Context(), mail); err == nil {
			t.Error("it takes a certificate of a CA that nobody trusts")
		}
		d := w.end(t)
		if !d.Works || !d.Finished || d.Action != "lift" || d.Entry != "" {
			t.Errorf("got %+v", d)
		}
		wantIn(t, text(d.Supports), "tls: TLS 1.0 at most", "RSA_WITH_AES_128_CBC_SHA", "negotiated: TLS 1.0 TLS_RSA_WITH_AES_128_CBC_SHA",
			"with the server name (SNI) smtp.office365.com", "certificate_check: yes", "sign_in: LOGIN", "user: scan@contoso.com",
			"password: 21 to 32 bytes", "by DATA")
		wantIn(t, text(d.Tlslift), "decision: lifts it", "Microsoft 365 takes LOGIN")
		shown, err := json.Marshal(d)
		must(t, err)
		if all := string(shown) + w.notes.String(); strings.Contains(all, "hunter2") {
			t.Errorf("the password is shown:\n%s", all)
		}
	}
}

// A device is offered what Microsoft 365 would offer it, or tlslift where that signs in for it.
func TestOffered(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	client, err := smtp.Dial(w.addresses[listener.SchemeSMTP])
	must(t, err)
	must(t, client.StartTLS(&tls.Config{RootCAs: w.roots(), ServerName: "smtp.office365.com"}))
	if _, offered := client.Extension("AUTH"); offered != "LOGIN XOAUTH2" {
		t.Errorf("it is offered %q", offered)
	}
	must(t, client.Close())
	w.stop()
	<-w.result
}

// settle waits until all that has come is taken in: another connection of the device is
// greeted only then.
func (w *world) settle(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", w.addresses[listener.SchemeSMTP])
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = bufio.NewReader(conn).ReadString('\n')
	must(t, err)
	return conn
}

// pressed sends lines without TLS, and returns what it is answered.
func (w *world) pressed(t *testing.T, scheme listener.Scheme, lines ...string) {
	t.Helper()
	conn, err := net.Dial("tcp", w.addresses[scheme])
	must(t, err)
	defer conn.Close()
	in := bufio.NewReader(conn)
	for _, line := range append([]string{""}, lines...) {
		if line != "" {
			_, err := io.WriteString(conn, line+"\r\n")
			must(t, err)
		}
		for { // one reply
			reply, err := in.ReadString('\n')
			if err != nil || len(reply) < 4 || reply[3] != '-' {
				break
			}
		}
	}
	_, _ = io.Copy(io.Discard, in) // until the server ends as well
}

// A device without TLS is asked to turn it on; then it may go without. Its entry can be
// pasted.
func TestWithoutTLS(t *testing.T) {
	t.Parallel()
	const file = "clients:\n- {name: floor, network: 127.0.0.0/8, dh_bits: 2048}\n"
	w := start(t, map[string]string{"TLSLIFT_CLIENTS_FILE": testenv.WriteFile(t, "clients.yaml", []byte(file))})
	w.pressed(t, listener.SchemeSMTP, "HELO scanner", "MAIL FROM:<a@b>", "QUIT")
	w.pressed(t, listener.SchemeSMTP, "HELO scanner", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n.", "QUIT")
	d := w.end(t)
	if d.Works || d.Action != "relay" { // it does not sign in
		t.Errorf("got %+v", d)
	}
	wantIn(t, w.notes.String(), "Set the encryption", "press again as it is")
	wantIn(t, text(d.Supports), "encryption: none", "greets_with: HELO scanner")
	wantIn(t, text(d.Tlslift), "Microsoft 365 takes no mail like that", "may go without TLS", "not floor any more")
	wantIn(t, d.CA, "no TLS")
	table, err := clientfile.Parse([]byte(file + d.Entry))
	must(t, err)
	o := table.Lookup(netip.MustParseAddr("127.0.0.1"))
	if o.Plaintext != clientfile.PlaintextAllow || o.DHBits != 2048 || o.Name == "floor" || d.Replaces {
		t.Errorf("got %+v of\n%s", o, d.Entry)
	}
}

// A device that waits to be greeted where TLS comes first is asked to change its setting.
func TestWaitsAtTLSPort(t *testing.T) {
	t.Parallel()
	w := start(t, nil, func(o *Options) { o.hello = 10 * time.Millisecond })
	conn, err := net.Dial("tcp", w.addresses[listener.SchemeSMTPS])
	must(t, err)
	_, _ = io.Copy(io.Discard, conn) // until it is closed
	_ = conn.Close()
	client, mail := w.scanner(listener.SchemeSMTP)
	for range 2 {
		_, _ = client.SendMail(t.Context(), mail)
	}
	d := w.end(t)
	if !d.Works || d.Entry != "" {
		t.Errorf("got %+v", d)
	}
	wantIn(t, w.notes.String(), "waits for the server to speak first", "Set the encryption to SSL/TLS")
}

// A device with a ClientHello in SSLv2 format is served through the proxy.
func TestSSLv2Hello(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	client := &fakem365.Client{Proxy: w.addresses[listener.SchemeProxy], Roots: w.roots()}
	for range 2 {
		_, _ = client.GetLegacy(t.Context(), "https://outlook.office365.com/")
	}
	d := w.end(t)
	if !d.Works || d.Action != "lift" {
		t.Errorf("got %+v\n%s", d, w.notes)
	}
	wantIn(t, text(d.Supports), "in SSLv2 format", "certificate_check: yes")
}

// What tlslift can never serve is said to be so at the first press.
func TestNever(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	conn, err := net.Dial("tcp", w.addresses[listener.SchemeSMTPS])
	must(t, err)
	defer conn.Close()
	// A ClientHello of SSL 3.0, with one suite.
	_, err = conn.Write(append([]byte("\x16\x03\x00\x00\x2d\x01\x00\x00\x29\x03\x00"+strings.Repeat("r", 32)), 0, 0, 2, 0, 5, 1, 0))
	must(t, err)
	_, _ = io.Copy(io.Discard, conn)
	d := w.end(t)
	if d.Works || d.Action != "refuse" || d.Entry != "" {
		t.Errorf("got %+v", d)
	}
	wantIn(t, text(d.Tlslift), "refuses it", "SSL 3.0")
}

// A device that has nothing but RC4 gets the answer that it is off; the entry turns it on.
func TestRC4(t *testing.T) {
	t.Parallel()
	// By itself tlslift signs for such devices with SHA-1, which the client of this test does not take.
	clients := testenv.WriteFile(t, "clients.yaml", []byte("clients:\n- {name: till, address: 127.0.0.1, leaf: {hash: sha256}}\n"))
	w := start(t, map[string]string{"TLSLIFT_CLIENTS_FILE": clients})
	client, mail := w.scanner(listener.SchemeSMTP)
	client.CipherSuites = []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}
	for range 3 {
		_, _ = client.SendMail(t.Context(), mail)
	}
	d := w.end(t)
	wantIn(t, w.notes.String(), string(record.ReasonCipherSuiteDisabled), "RC4 is offered to it")
	wantIn(t, d.Entry, `name: "till"`, "ciphers: [rc4]", "hash: sha256")
	if !d.Works || !d.Replaces {
		t.Errorf("got %+v", d)
	}
}

// A device that sends without signing in works where tlslift signs in for it.
func TestSignInForIt(t *testing.T) {
	t.Parallel()
	secret := testenv.WriteFile(t, "app-secret", []byte("hunter3\n"))
	clients := testenv.WriteFile(t, "clients.yaml", []byte("clients:\n- {name: scanner, address: 127.0.0.1}\n"))
	signIn := testenv.WriteFile(t, "signin.yaml", []byte("tenant: contoso.onmicrosoft.com\n"+
		"application: {id: 11111111-2222-3333-4444-555555555555, secret_file: "+secret+"}\n"+
		"mailboxes:\n- {address: scan@contoso.com, clients: [scanner]}\n"))
	for _, has := range []bool{true, false} {
		environ := map[string]string{"TLSLIFT_CLIENTS_FILE": clients}
		if has {
			environ["TLSLIFT_SIGNIN_FILE"] = signIn
		}
		w := start(t, environ)
		client, mail := w.scanner(listener.SchemeSMTP)
		mail.User = ""
		for range 2 {
			_, _ = client.SendMail(t.Context(), mail)
		}
		if d := w.end(t); d.Works != has || d.Name != "scanner" || strings.Contains(text(d.Tlslift), "tlslift signs in for it") != has {
			t.Errorf("with sign-in %v: got %+v", has, d)
		}
	}
}

// Nobody is served beside the client networks, and of others than the one that is asked for
// nothing is noted.
func TestWhoMayConnect(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]*world{
		"networks": start(t, map[string]string{"TLSLIFT_CLIENT_NETS": "10.0.0.0/8"}),
		"client":   start(t, nil, func(o *Options) { o.Client = netip.MustParseAddr("10.0.0.7") }),
	} {
		conn, err := net.Dial("tcp", w.addresses[listener.SchemeSMTP])
		must(t, err)
		if got, _ := io.ReadAll(conn); len(got) > 0 {
			t.Errorf("%s: it was served: %s", name, got)
		}
		_ = conn.Close()
		w.stop()
		if r := <-w.result; len(r.Devices) != 0 || r.Err() == nil {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

// Ctrl-C gives what is known by then, and an open connection shows nothing more.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	client, mail := w.scanner(listener.SchemeSMTP)
	_, err := client.SendMail(t.Context(), mail)
	must(t, err)
	open := w.settle(t)
	w.stop()
	d := w.end(t)
	_ = open.Close()
	if !d.Works || d.Finished || len(d.Steps) != 1 {
		t.Errorf("got %+v", d)
	}
	wantIn(t, text(d.Tlslift), "not all was tried")
}

// A port of a tlslift that runs is named with the remedy; without any listener there is no test.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken := testenv.Serve(t, func(net.Conn) {}).String()
	o := loaded(t, map[string]string{"TLSLIFT_LISTEN": "smtp://" + taken})
	_, err := Run(t.Context(), o)
	if err == nil {
		t.Fatal("it runs")
	}
	wantIn(t, err.Error(), taken, "the tlslift that runs", "--listen smtp://:2", "nothing can be tested")
}

var pageURL = regexp.MustCompile(`http://[^ \n]+`)

// The page shows what to press, to who knows its path and is in the client networks.
func TestPage(t *testing.T) {
	t.Parallel()
	w := start(t, nil, func(o *Options) { o.Page = "127.0.0.1:0" })
	client, mail := w.scanner(listener.SchemeSMTP)
	_, err := client.SendMail(t.Context(), mail)
	must(t, err)
	_ = w.settle(t).Close()
	url := pageURL.FindString(w.notes.String())
	get := func(url string) (int, string, http.Header) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		must(t, err)
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		must(t, err)
		return response.StatusCode, string(body), response.Header
	}
	code, body, header := get(url)
	isSecret := strings.Contains(body, "hunter2")
	if code != http.StatusOK || isSecret || header.Get("Content-Security-Policy") == "" || strings.Contains(body, "<script") {
		t.Errorf("got %d, %v\n%s", code, header, body)
	}
	wantIn(t, body, "127.0.0.1", "signed in with LOGIN", "Press once more", `http-equiv="refresh"`, "viewport")
	for _, wrong := range []string{url + "x", url[:len(url)-1], url[:strings.LastIndex(url, "/")+1]} {
		if code, body, _ := get(wrong); code != http.StatusNotFound || strings.Contains(body, "Press") {
			t.Errorf("%s: got %d\n%s", wrong, code, body)
		}
	}
	_, _ = client.SendMail(t.Context(), mail)
	w.end(t)
}

// Who is in none of the client networks finds nothing, with the right path too.
func TestPageOfOthers(t *testing.T) {
	t.Parallel()
	o := loaded(t, map[string]string{"TLSLIFT_CLIENT_NETS": "10.0.0.0/8,fe80::/10"})
	handler := (&tester{Options: o}).handler("/token")
	for from, want := range map[string]int{
		"10.1.2.3:1": http.StatusOK, "[::ffff:10.1.2.3]:1": http.StatusOK, "[fe80::1%eth0]:1": http.StatusOK,
		"192.0.2.9:1": http.StatusNotFound, "[2001:db8::1]:1": http.StatusNotFound, "nobody": http.StatusNotFound,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/token", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %s: got %d, want %d", from, w.Code, want)
		}
	}
}

// Of what devices call themselves nothing reaches a terminal or the page as it is.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"TLSLIFT_LISTEN": "smtp://127.0.0.1:0?plaintext=allow,proxy://127.0.0.1:0"}, func(o *Options) {
		o.Page = "127.0.0.1:0"
	})
	w.pressed(t, listener.SchemeSMTP, "EHLO <script>\x1b[2J", "AUTH LOGIN", "c2M8c2NyaXB0PhtbMko=", "cHc=", "QUIT")
	d := w.end(t)
	var out strings.Builder
	r := Report{Devices: []Device{d}}
	must(t, r.Print(&out, false))
	if all := out.String() + w.notes.String(); strings.Contains(all, "\x1b") {
		t.Errorf("got %q", all)
	}
}

// A test to which no device comes ends after its time.
func TestNobodyComes(t *testing.T) {
	t.Parallel()
	r, err := Run(t.Context(), func() Options {
		o := loaded(t, nil)
		o.Timeout = time.Millisecond
		return o
	}())
	must(t, err)
	if r.Err() == nil {
		t.Error("it is a success")
	}
	var out strings.Builder
	must(t, r.Print(&out, true))
	if out.String() != "{\n  \"devices\": []\n}\n" {
		t.Errorf("got %s", &out)
	}
}

// The summary is a public interface, for people and as JSON.
func TestPrint(t *testing.T) {
	t.Parallel()
	field := func(name, value string) checkclient.Field { return checkclient.Field{Name: name, Value: value} }
	r := Report{Devices: []Device{{
		Address: "192.168.20.31", Name: "scanner", Works: true, Finished: true, Action: "lift",
		Supports: []checkclient.Field{field("tls", "TLS 1.0 at most"), field("certificate_check", "yes")},
		Tlslift:  []checkclient.Field{field("decision", "lifts it, because it does not offer TLS 1.2 or newer")},
		Entry:    clientfile.Entry(netip.MustParseAddr("192.168.20.31"), clientfile.Options{Name: "scanner", RC4: true}), Replaces: true,
		Panel: []checkclient.Panel{{Listener: "smtp://:587", Type: []checkclient.Field{field("port", "587")}}},
		CA:    "import tlslift's CA if it checks certificates",
		Steps: []Step{{Saw: "STARTTLS, offers TLS 1.0 at most", Found: "It works.", Ask: "Press once more."}},
	}}}
	for asJSON, file := range map[bool]string{false: "device.txt", true: "device.json"} {
		var out strings.Builder
		must(t, r.Print(&out, asJSON))
		testenv.WantFile(t, filepath.Join("testdata", file), out.String())
	}
}
