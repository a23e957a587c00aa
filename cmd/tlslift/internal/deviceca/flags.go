package deviceca

import "strings"

// A FlagSet takes the flags of a command.
type FlagSet interface {
	BoolVar(p *bool, name string, value bool, usage string)
	IntVar(p *int, name string, value int, usage string)
	StringVar(p *string, name, value, usage string)
	StringVarP(p *string, name, shorthand, value, usage string)
	StringArrayVar(p *[]string, name string, value []string, usage string)
}

// AddFlags adds those of the command.
func (i *Issue) AddFlags(f FlagSet) {
	f.StringArrayVar(&i.DNS, "dns", nil, "`NAME` of its web page; may be repeated")
	f.StringArrayVar(&i.IP, "ip", nil, "private `ADDRESS` of its web page; may be repeated")
	f.StringArrayVar(&i.Domains, "domain", nil, "limit a new device CA to names below `DOMAIN`; may be repeated")
	f.IntVar(&i.Days, "days", DefaultDays, "how many `DAYS` it is valid")
	f.StringVar(&i.Key, "key", "rsa2048", "`KIND` of key: "+strings.Join(Keys(), ", "))
	f.BoolVar(&i.SHA1, "sha1", false, "sign it with SHA-1, for devices that know no SHA-256")
	f.BoolVar(&i.Legacy, "legacy", false, "write the file so that old devices read it")
	f.BoolVar(&i.PEM, "pem", false, "write a PEM file, which has no password")
	f.StringVar(&i.PasswordFile, "password-file", "", "`FILE` with the password of the PKCS #12 file (default: one is made and printed)")
	f.StringVarP(&i.Output, "output", "o", "", "write to `FILE`, which must not exist")
	f.BoolVar(&i.Force, "force", false, "replace the file if it exists")
}

// AddFlags adds those of the command.
func (r *Revocation) AddFlags(f FlagSet) {
	f.StringVar(&r.Reason, "reason", "unspecified", "`REASON` in the list: "+strings.Join(Reasons(), ", "))
	f.BoolVar(&r.All, "all", false, "revoke all valid certificates of the device")
}
