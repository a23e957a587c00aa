package settings

import (
	"fmt"
	"strings"

	"github.com/tlslift/tlslift/proxy/clientfile"
)

// A leafKeyType is which clients get a leaf with an ECDSA key.
type leafKeyType clientfile.KeyType

func (k *leafKeyType) UnmarshalText(text []byte) error {
	types := map[string]clientfile.KeyType{
		"auto": clientfile.KeyTypeAuto, "rsa": clientfile.KeyTypeRSA, "ecdsa": clientfile.KeyTypeECDSA,
	}
	known, is := types[strings.ToLower(string(text))]
	if !is {
		return fmt.Errorf("%q is no kind of key", text)
	}
	*k = leafKeyType(known)
	return nil
}
