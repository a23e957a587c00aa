package legacytls

import (
	"fmt"
	"slices"
	"testing"
)

// offersMACLast is a hello with encrypt-then-MAC.
func (p parameters) offersMACLast() hello { return p.hello(extension{extEncryptThenMAC, nil}) }

// cbcProtections are those with CBC.
func cbcProtections() []parameters {
	return slices.DeleteFunc(slices.Clone(protections), func(p parameters) bool { return suiteByID(p.suite).block == nil })
}

// With encrypt-then-MAC, a wrong byte anywhere in a record is a wrong MAC, and so is
// a record that is too short or has no whole blocks.
func TestMACLastForged(t *testing.T) {
	t.Parallel()
	for _, p := range cbcProtections() {
		forged := map[string]func(record []byte) []byte{
			"cut short":    func(b []byte) []byte { return b[:len(b)-1] },
			"empty":        func(b []byte) []byte { return b[:recordHeaderLen] },
			"the MAC only": func(b []byte) []byte { return b[len(b)-suiteByID(p.suite).macLen()-recordHeaderLen:] },
		}
		for _, at := range []int{recordHeaderLen, recordHeaderLen + 9, recordHeaderLen + 20, -21, -1} {
			forged[fmt.Sprintf("byte %d", at)] = func(b []byte) []byte {
				b[(at+len(b))%len(b)] ^= 1
				return b
			}
		}
		for name, forge := range forged {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				c := begin(t, newConfig(t), p.offersMACLast())
				c.connect()
				b, err := c.out.seal(nil, typeApplicationData, []byte("twenty bytes of data"))
				if err != nil {
					t.Fatal(err)
				}
				b = forge(b)
				c.send(plainRecord(typeApplicationData, p.version, b[recordHeaderLen:]))
				c.wantAlert(alertBadRecordMAC)
			})
		}
	}
}

// A session may be resumed with encrypt-then-MAC or without, whatever it had.
func TestResumeMACLast(t *testing.T) {
	t.Parallel()
	for _, p := range cbcProtections() {
		for _, m := range memories {
			for _, first := range []bool{false, true} {
				config := at(t, newSessions(), noon)
				change := memory{first: m.first, again: func(h *hello, c *script) {
					if *h = p.offersMACLast(); first {
						*h = p.hello()
					}
					m.again(h, c)
				}}
				h := p.hello()
				if first {
					h = p.offersMACLast()
				}
				c, resumed := again(t, change, h, config)
				if _, answered := c.answer.extensions[extEncryptThenMAC]; !resumed || answered == first {
					t.Errorf("%s, %s, first %v: resumed: %v, answered: %v", p.name, m.name, first, resumed, answered)
				}
			}
		}
	}
}
