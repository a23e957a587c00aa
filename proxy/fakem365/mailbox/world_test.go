package mailbox_test

import (
	"github.com/tlslift/tlslift/proxy/fakem365"
)

const (
	host   = "outlook.office365.com"
	target = host + ":443"

	scanner  = "Scanner@contoso.example"
	password = "Pa55 word"
)

func accounts() fakem365.Accounts {
	return fakem365.Accounts{{Address: scanner, Password: password}}
}
