package setup

import (
	"reflect"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// A flag goes before what the sign-in file says, and changes nothing else of it.
func TestFlags(t *testing.T) {
	t.Parallel()
	file := func() Options {
		mailboxes := []Mailbox{{Address: "a"}, {Address: "b", User: "c", Delegated: true}}
		return Options{Tenant: "file.com", AppID: "file", Mailboxes: mailboxes}
	}
	for _, test := range []struct {
		flags  Flags
		change func(*Options)
	}{
		{Flags{}, func(*Options) {}},
		{Flags{Tenant: "flag.com"}, func(o *Options) { o.Tenant = "flag.com" }},
		{Flags{AppID: "flag"}, func(o *Options) { o.AppID = "flag" }},
		{Flags{Protocols: []string{"imap"}}, func(o *Options) { o.Protocols = []record.Protocol{record.ProtocolIMAP} }},
		{Flags{Mailboxes: []string{"x"}}, func(o *Options) { o.Mailboxes = []Mailbox{{Address: "x"}} }},
		{Flags{Mailboxes: []string{"x"}, HVE: true}, func(o *Options) { o.Mailboxes = []Mailbox{{Address: "x", HVE: true}} }},
		{Flags{Delegated: true}, func(o *Options) { o.Mailboxes[0].Delegated = true }},
	} {
		want := file()
		test.change(&want)
		if got := test.flags.Over(file()); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: got %+v, want %+v", test.flags, got, want)
		}
	}
}
