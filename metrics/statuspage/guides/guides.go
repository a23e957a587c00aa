// Package guides says how to import the CA certificate into devices and systems. What is
// different from model to model is left to their manuals.
package guides

// A Guide describes how to import the CA certificate into one kind of client.
type Guide struct {
	Name string
	Text []string
	// Commands are typed as they are shown.
	Commands []string
}

// Devices returns what is true of all models of a family; the menus differ from
// model to model.
func Devices() []Guide {
	return []Guide{
		{Name: "HP", Text: []string{"LaserJet Enterprise devices come without any CA certificate: import this one (PEM or .cer). " +
			"Each mail server entry has an option for the check of the server's certificate."}},
		{Name: "Ricoh", Text: []string{"With SMTPS, register the certificate first, or sending fails. “Site Certificate Check” can be on " +
			"or off. The device accepts DER, Base64 X.509 and PKCS #7."}},
		{Name: "Konica Minolta", Text: []string{"In the SSL/TLS part of the e-mail settings, “certificate verification level” has what " +
			"is checked. Import the certificate, or turn off the checks there."}},
		{Name: "Canon", Text: []string{"“Allow SSL (SMTP Send)” turns on STARTTLS; without it, older devices send without TLS. " +
			"For the certificate, see “Any other device”."}},
		{Name: "Xerox", Text: []string{"Install it as a trusted root certificate with CentreWare Internet Services. Older WorkCentres " +
			"have a page with their protocol log, which shows why sending fails; some have no setting for TLS."}},
		{Name: "Epson", Text: []string{"Choose STARTTLS or SSL/TLS as “secure connection”; the password can have at most 20 characters. " +
			"For the certificate, see “Any other device”."}},
		{Name: "Brother", Text: []string{"CA certificates are imported one by one; the device rejects a file with several. Each file " +
			"here has exactly one."}},
		{Name: "Sharp", Text: []string{"The device checks the server's certificate only in Advanced Security Mode: then import the CA " +
			"certificate. In other modes there is nothing to do."}},
		{Name: "Lexmark", Text: []string{"Upload the certificate, as PEM or .cer, in the Embedded Web Server."}},
		{Name: "Kyocera", Text: []string{"See “Any other device”."}},
		{Name: "Any other device", Text: []string{
			"Sign in to the device's web page as administrator and look under Security or Network for “certificates”. Import it as a trusted, " +
				"root or CA certificate, not as a device or identity certificate, which has a private key.",
			"A device that accepts one format often rejects the others: try PEM, then DER, then PKCS #7. Then turn on the check of the " +
				"server's certificate, send a test mail, and look here whether the client fails.",
			"A device that cannot import a certificate works if it does not check the server's certificate: many have a setting for that. " +
				"The connection between the device and tlslift is then encrypted, but the device does not check that it is connected to tlslift.",
		}},
	}
}

// Systems returns commands that can be copied. pem is the file's URL on this
// server.
func Systems(pem string) []Guide {
	return []Guide{
		{Name: "Windows (as administrator)", Text: []string{"For the whole machine. In a domain, use a group policy: Computer " +
			"Configuration, Policies, Windows Settings, Security Settings, Public Key Policies, Trusted Root Certification Authorities."},
			Commands: []string{"certutil -addstore -f Root tlslift-ca.cer"}},
		{Name: "Java", Text: []string{"Java has its own trust store. The first command is for Java 9 and newer, the second for Java 8 " +
			"and older, where the file is in the folder of the JRE. The password is “changeit” unless it was changed."},
			Commands: []string{
				`keytool -importcert -noprompt -cacerts -storepass changeit -alias tlslift -file tlslift-ca.pem`,
				`keytool -importcert -noprompt -keystore "$JAVA_HOME/jre/lib/security/cacerts" -storepass changeit -alias tlslift ` +
					`-file tlslift-ca.pem`,
			}},
		{Name: "Debian, Ubuntu", Text: []string{"The file must be PEM and its name must end in .crt."},
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
		{Name: "Check the downloaded file", Text: []string{"Compare it with the fingerprint that tlslift prints when it starts: that one " +
			"was not sent over the network."},
			Commands: []string{
				"openssl x509 -in tlslift-ca.pem -noout -fingerprint -sha256",
				"certutil -dump tlslift-ca.cer",
				"keytool -printcert -file tlslift-ca.pem",
			}},
	}
}
