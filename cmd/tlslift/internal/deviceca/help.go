package deviceca

// The help texts and examples are those of the commands.
const (
	IssueHelp = `Gives a device a certificate of its own, with its key, in a PKCS #12 file (.p12, .pfx)
to import on the device: for servers that ask their clients for one (802.1X, a web
service), and with --dns or --ip for the device's own web page too.

It is signed by a device CA, which the first use makes in device-ca in the state
directory. That is another CA than the one that lifted clients trust. tlslift itself
trusts it nowhere: who has to trust it is whoever checks the device's certificate, and
gets it by "tlslift ca export --device". It can sign for no name of Microsoft, for no
destination that tlslift allows, and for no public address; the command refuses such
names. With --domain, which the first use takes, it can sign for names below your
domains only: give it if browsers will trust the CA.

The password of the file is printed once, unless --password-file has it. Old devices
need --legacy (3DES and SHA-1 in the file), some --sha1 (in the certificate) or
--key rsa1024. "tlslift ca issued" lists what was issued, "tlslift ca revoke" takes it
back. Run as root, what it writes into the state directory belongs to its owner.`

	IssueExample = `  sudo tlslift ca issue copier-3 --domain contoso.local --dns copier-3.contoso.local \
      --ip 192.168.20.31 --output copier-3.p12 --env-file /etc/tlslift/tlslift.env
  tlslift ca issue scanner --legacy --password-file password.txt --output scanner.p12
  tlslift ca issue gateway --key p256 --pem --output gateway.pem`

	IssuedHelp = `Prints the device CA, and the certificates that it has issued to devices, the latest
first: serial number, name, until when each is valid, whether it is revoked, and what it
is for. What has expired is listed for a year. It reads no key, and changes nothing.`

	IssuedExample = `  tlslift ca issued
  tlslift ca issued --json`

	RevokeHelp = `Takes back a certificate that "tlslift ca issue" has given to a device, as when it was
stolen: its serial number comes into the revocation list (CRL) of the device CA, which
is on the admin address and the public one at /crl/ID.crl. A tlslift that runs with the
state directory has it in the list at once. It cannot be undone; issue another one.

It takes effect where somebody checks the list. A certificate names the list only if
TLSLIFT_CRL_URL was set when it was issued.`

	RevokeExample = `  sudo tlslift ca revoke copier-3 --reason keyCompromise --env-file /etc/tlslift/tlslift.env
  tlslift ca revoke 5E0B1C2D3E4F5061728394A5B6C7D8E9`
)
