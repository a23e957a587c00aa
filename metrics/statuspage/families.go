package statuspage

import "net/http"

// A guide says how a kind of client gets the CA certificate.
type guide struct {
	Name string
	Text []string
	// Commands are shown as they are typed.
	Commands []string
}

func (s *site) serveAuthority(w http.ResponseWriter, r *http.Request) {
	if s.Authority.Certificate == nil {
		s.renderMessage(w, http.StatusNotFound, "No certificate", "This tlslift has no certificate authority.")
		return
	}
	view := s.authorityOn(r)
	s.render(w, http.StatusOK, "ca.html", view)
}

// deviceGuides say only what is known of each family; the menus differ from
// model to model.
func deviceGuides() []guide {
	return []guide{
		{Name: "HP", Text: []string{"LaserJet Enterprise devices come without any CA certificate, so an administrator has to import this one (PEM or .cer). Whether the server's certificate is checked is an option of each mail server entry."}},
		{Name: "Ricoh", Text: []string{"With SMTPS the certificate has to be registered first, or sending fails. “Site Certificate Check” can be on or off. Certificates are taken as DER, Base64 X.509 or PKCS #7."}},
		{Name: "Konica Minolta", Text: []string{"Below SSL/TLS of the e-mail settings, “certificate verification level” says what is checked. Import the certificate, or choose what is not to be checked there."}},
		{Name: "Canon", Text: []string{"“Allow SSL (SMTP Send)” turns on STARTTLS; without it, older devices send without TLS. For the certificate, see “Any other device”."}},
		{Name: "Xerox", Text: []string{"Install it as a trusted root certificate with CentreWare Internet Services. Older WorkCentres have a page with their protocol log, which shows why sending fails; some have no setting for TLS at all."}},
		{Name: "Epson", Text: []string{"Choose STARTTLS or SSL/TLS as “secure connection”; the password may have 20 characters at most. For the certificate, see “Any other device”."}},
		{Name: "Brother", Text: []string{"CA certificates are imported one by one; a file with several of them is refused. Each file here has exactly one."}},
		{Name: "Sharp", Text: []string{"The server's certificate is checked only in Advanced Security Mode; then the CA certificate has to be imported. Otherwise nothing is to be done."}},
		{Name: "Lexmark", Text: []string{"Upload the certificate, as PEM or .cer, in the Embedded Web Server."}},
		{Name: "Kyocera", Text: []string{"See “Any other device”."}},
		{Name: "Any other device", Text: []string{
			"Sign in to the device's web page as administrator and look below Security or Network for “certificates”: what is wanted is a trusted, root or CA certificate, not a device or identity certificate, which has a private key.",
			"A device that takes one form of the file often rejects the others: try PEM, then DER, then PKCS #7. Then turn on the check of the server's certificate, send a test mail, and look here whether it fails.",
			"A device that cannot import a certificate works if it does not check the server's: many have a setting for it. The connection between the device and tlslift is then encrypted, but the device does not know to whom.",
		}},
	}
}

// systemGuides are exact. pem is the file's URL on this server.
func systemGuides(pem string) []guide {
	return []guide{
		{Name: "Windows (as administrator)", Text: []string{"For the whole machine; in a domain, use a group policy: Computer Configuration, Policies, Windows Settings, Security Settings, Public Key Policies, Trusted Root Certification Authorities."},
			Commands: []string{"certutil -addstore -f Root tlslift-ca.cer"}},
		{Name: "Java", Text: []string{"Java has a trust store of its own. The first line is for Java 9 and newer, the second for Java 8 and older, whose file is below the JRE. The password is “changeit” unless somebody has changed it."},
			Commands: []string{
				`keytool -importcert -noprompt -cacerts -storepass changeit -alias tlslift -file tlslift-ca.pem`,
				`keytool -importcert -noprompt -keystore "$JAVA_HOME/jre/lib/security/cacerts" -storepass changeit -alias tlslift -file tlslift-ca.pem`,
			}},
		{Name: "Debian, Ubuntu", Text: []string{"The file has to be PEM and its name has to end in .crt."},
			Commands: []string{
				"sudo curl -o /usr/local/share/ca-certificates/tlslift-ca.crt " + pem,
				"sudo update-ca-certificates",
			}},
		{Name: "RHEL, Fedora, Rocky, Alma",
			Commands: []string{
				"sudo curl -o /etc/pki/ca-trust/source/anchors/tlslift-ca.pem " + pem,
				"sudo update-ca-trust extract",
			}},
		{Name: "SUSE",
			Commands: []string{
				"sudo curl -o /etc/pki/trust/anchors/tlslift-ca.pem " + pem,
				"sudo update-ca-certificates",
			}},
		{Name: "Check what was fetched", Text: []string{"Compare with the fingerprint that tlslift prints when it starts: that one has not come over the network."},
			Commands: []string{
				"openssl x509 -in tlslift-ca.pem -noout -fingerprint -sha256",
				"certutil -dump tlslift-ca.cer",
				"keytool -printcert -file tlslift-ca.pem",
			}},
	}
}
