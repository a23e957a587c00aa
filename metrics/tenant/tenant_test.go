package tenant

import (
	"fmt"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func TestProblems(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	state := State{Tokens: []Token{
		{Expires: at(60)},
		{Account: "jane@contoso.com", Protocol: record.ProtocolSMTP, Reason: record.ReasonEntraUnreachable, Detail: "late", Failed: at(5)},
		{Account: "jane@contoso.com", Protocol: record.ProtocolIMAP, Reason: record.ReasonEntraUnreachable, Detail: "early", Failed: at(1)},
		{HVE: true, Reason: record.ReasonEntraUnreachable, Detail: "earlier", Failed: at(0)},
		{Account: "bob@contoso.com", Reason: record.ReasonDelegatedLoginMissing, Failed: at(9)},
	}}
	want := []Problem{
		{record.ReasonDelegatedLoginMissing, "", at(9), []string{"bob@contoso.com"}},
		{record.ReasonEntraUnreachable, "late", at(5), []string{"application_hve", "jane@contoso.com"}},
	}
	if got := state.Problems(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := (State{Tokens: []Token{{Expires: noon}}}).Problems(); len(got) != 0 {
		t.Errorf("a token that serves has %v", got)
	}
}

func TestNextExpiry(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	state := State{Tokens: []Token{
		{Expires: at(30)}, {HVE: true}, {Account: "a", Expires: at(-30)}, {Account: "b", Expires: at(20)}, {Account: "c", Expires: at(10)},
		{Account: "d", HVE: true, Expires: at(0)},
	}}
	want := map[string]time.Time{"application": at(30), "delegated": at(10)}
	if got := state.NextExpiry(noon); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBusiest(t *testing.T) {
	t.Parallel()
	state := State{Mailboxes: []Mailbox{
		{Address: "idle"}, {Address: "open", Sessions: 1}, {Address: "long", Oldest: time.Minute}, {Address: "idle too"},
		{Address: "many", Waiting: 1, WaitingMails: 2, Oldest: time.Second}, {Address: "few", Waiting: 1, Oldest: time.Second},
	}}
	for max, want := range map[int]string{9: "long many few open idle idle too ", 2: "long many ", 0: ""} {
		got := ""
		for _, m := range state.Busiest(max) {
			got += m.Address + " "
		}
		if got != want || state.Mailboxes[0].Address != "idle" {
			t.Errorf("%d: got %s, want %s", max, got, want)
		}
	}
}
