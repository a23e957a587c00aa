package proxy_test

import (
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/signin"
)

// queue is how busy the one mailbox is.
func (w *signInWorld) queue() signin.Queue { return w.keeper.Queues()[0] }

// Two replicas that share a mailbox know nothing of each other: what the destination says
// of too many sessions is passed on, and named.
func TestSignInTwoReplicas(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	one, other := newSignInWorld(t, c, mailboxesOfAll, ""), newSignInWorld(t, c, mailboxesOfAll, "")
	var open []*device
	for range 3 {
		d := one.device(copier, viaSMTP)
		d.want(plain("copier1", devicePassword), "235 ")
		open = append(open, d)
	}
	d := other.device(copier, viaSMTP)
	d.want(plain("copier1", devicePassword), "235 ")
	if got, err := d.send(scanner); err != nil || !strings.HasPrefix(got, "432 4.3.2 Concurrent connections limit exceeded") {
		t.Fatalf("answered %q, %v", got, err)
	}
	d.quit()
	rec := other.expect(record.OutcomeLifted, record.ReasonSMTPTooManyConnections)
	if rec.Mailbox != scanner || rec.Login != "copier1" || rec.SMTPReply != "432 4.3.2" {
		t.Errorf("record %+v", rec)
	}
	for _, d := range open {
		d.quit()
		one.wantSignedIn("copier1", 0)
	}
	other.sends()
}

// More devices than the mailbox may have sessions wait here, and all of their mails arrive:
// the destination never has more than three of them.
func TestSignInSessionsWait(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	var open, waiting []*device
	for range 3 {
		d := w.device(copier, viaSMTP)
		d.want(plain("copier1", devicePassword), "235 ")
		open = append(open, d)
	}
	for range 5 {
		waiting = append(waiting, w.device(copier, viaSMTP))
	}
	var all sync.WaitGroup
	for i, d := range waiting {
		all.Go(func() {
			defer func() { _ = d.conn.Close() }()
			command := plain("copier1", devicePassword)
			for _, step := range []string{command, "", "QUIT"} {
				want, got, err := "2", "", error(nil)
				if step == "" {
					got, err = d.send(scanner)
				} else {
					got, err = d.ask(step)
				}
				if err != nil || !strings.HasPrefix(got, want) {
					t.Errorf("device %d, %q: %q, %v", i, step, got, err)
				}
			}
		})
	}
	w.until(func() bool { return w.queue().Waiting == len(waiting) })
	if q := w.queue(); q.Sessions != 3 || q.MaxSessions != 3 || q.Mailbox != scanner || q.Oldest <= 0 {
		t.Errorf("the queue is %+v", q)
	}
	for _, d := range open {
		d.wantSent(scanner)
		d.quit()
	}
	all.Wait()
	for range 8 {
		w.wantSignedIn("copier1", 1)
	}
	if n := len(w.mail.Messages()); n != 8 {
		t.Errorf("%d mails arrived", n)
	}
	w.until(func() bool { return w.queue().Sessions == 0 })
}

// A device that does not wait for its turn takes it from nobody.
func TestSignInLeavesTheQueue(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), strings.Replace(mailboxesOfAll, "    senders", "    sessions: 1\n    senders", 1), "")
	first := w.device(copier, viaSMTP)
	first.want(plain("copier1", devicePassword), "235 ")
	var leaving []*device
	for n := range 3 {
		d := w.device(copier, viaSMTP)
		say(t, d.conn, plain("copier1", devicePassword)+[]string{"", "\r\nQUIT", ""}[n])
		w.until(func() bool { return w.queue().Waiting == n+1 })
		leaving = append(leaving, d)
	}
	last := w.device(mappedC, viaSMTP)
	say(t, last.conn, "MAIL FROM:<"+scanner+">")
	w.until(func() bool { return w.queue().Waiting == 4 })
	for n, d := range leaving { // in different ways; whether that is seen before their turn comes does not matter
		if raw := d.conn.(*tls.Conn).NetConn().(*net.TCPConn); n == 2 {
			_ = raw.SetLinger(0)
			_ = raw.Close()
		}
		_ = d.conn.Close()
	}
	first.quit()
	last.want("", "250 ")
	last.quit()
	w.until(func() bool { q := w.queue(); return q.Sessions == 0 && q.Waiting == 0 })
	for range 5 {
		if rec := w.record(); rec.Mailbox != scanner || rec.Reason == record.ReasonInternal {
			t.Errorf("recorded as %s (%v)", rec.Reason, rec.Err)
		}
	}
}

// A client with one session to open is not kept out by one with many.
func TestSignInSessionsAreFair(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), strings.Replace(mailboxesOfAll, "    senders", "    sessions: 1\n    senders", 1), "")
	first := w.device(copier, viaSMTP)
	first.want(plain("copier1", devicePassword), "235 ")
	const many, single = copier, "10.0.3.3"
	var mu sync.Mutex
	var order []string // written by who has the one session
	var all sync.WaitGroup
	for n, from := range []string{many, many, many, single} {
		d := w.device(from, viaSMTP)
		all.Go(func() {
			got, err := d.ask(plain("copier1", devicePassword))
			mu.Lock()
			order = append(order, from)
			mu.Unlock()
			if err != nil || !strings.HasPrefix(got, "235 ") {
				t.Errorf("%s: %q, %v", from, got, err)
			}
			_, _ = d.ask("QUIT")
			_ = d.conn.Close()
		})
		w.until(func() bool { return w.queue().Waiting == n+1 })
	}
	first.quit()
	all.Wait()
	if got, want := strings.Join(order, " "), strings.Join([]string{many, single, many, many}, " "); got != want {
		t.Errorf("served in the order %s, want %s", got, want)
	}
	for range 5 {
		w.wantSignedIn("copier1", 0)
	}
}

// Mails beyond those of a minute wait, and arrive.
func TestSignInMailsWait(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), strings.Replace(mailboxesOfAll, ": 6000", ": 30", 1), "")
	d := w.device(copier, viaSMTP)
	d.want(plain("copier1", devicePassword), "235 ")
	for range 3 { // at once
		d.wantSent(scanner)
	}
	answered := make(chan string, 1)
	go func() {
		got, err := d.send(scanner)
		if err != nil {
			got = err.Error()
		}
		answered <- got
	}()
	w.until(func() bool { return w.queue().WaitingMails == 1 })
	if got := <-answered; !strings.HasPrefix(got, "250 ") {
		t.Errorf("answered %q", got)
	}
	d.quit()
	w.wantSignedIn("copier1", 4)
}

// Who has waited too long is told to come back, and the session is closed.
func TestSignInBusy(t *testing.T) {
	t.Parallel()
	mailboxes := strings.Replace(mailboxesOfAll, ": 6000", ": 1\n    sessions: 1\n    wait: 1s", 1)
	w := newSignInWorld(t, newCloud(t), mailboxes, "")
	open := w.device(copier, viaSMTP)
	open.want(plain("copier1", devicePassword), "235 ")
	open.wantSent(scanner)
	for _, tt := range []struct{ from, command, login string }{
		{copier, plain("copier1", devicePassword), "copier1"}, {mappedC, "MAIL FROM:<" + scanner + ">", ""},
	} {
		d := w.device(tt.from, viaSMTP)
		d.want(tt.command, "421 4.4.5 ")
		d.wantEnd()
		rec := w.expect(record.OutcomeRefused, record.ReasonMailboxBusy)
		if rec.Mailbox != scanner || rec.Login != tt.login {
			t.Errorf("record %+v", rec)
		}
	}
	open.want("MAIL FROM:<"+scanner+">", "421 4.4.5 ")
	open.wantEnd()
	if rec := w.expect(record.OutcomeLifted, record.ReasonMailboxBusy); rec.Accepted != 1 {
		t.Errorf("record %+v", rec)
	}
	w.until(func() bool { q := w.queue(); return q.Sessions == 0 && q.Waiting == 0 && q.WaitingMails == 0 })
}

// A client that leaves while it waits makes room in the line, and does not get a session
// that nobody uses.
func TestSignInClientLeaves(t *testing.T) {
	t.Parallel()
	mailboxes := strings.Replace(mailboxesOfAll, ": 6000", ": 1\n    sessions: 1\n    wait: 10m", 1)
	w := newSignInWorld(t, newCloud(t), mailboxes, "")
	leave := func(d *device, command string, waits func() bool) {
		t.Helper()
		if _, err := d.conn.Write([]byte(command + "\r\n")); err != nil {
			t.Fatal(err)
		}
		w.until(waits)
		_ = d.conn.Close()
		w.until(func() bool { return !waits() })
	}
	first := w.device(copier, viaSMTP)
	first.want(plain("copier1", devicePassword), "235 ")
	for from, command := range map[string]string{copier: plain("copier1", devicePassword), mappedC: "MAIL FROM:<" + scanner + ">"} {
		leave(w.device(from, viaSMTP), command, func() bool { return w.queue().Waiting == 1 })
		if rec := w.expect(record.OutcomeRefused, record.ReasonMailboxBusy); rec.Mailbox != scanner {
			t.Errorf("record %+v", rec)
		}
	}
	// Nor does one that waits for the turn of its mail.
	first.wantSent(scanner)
	leave(first, "MAIL FROM:<"+scanner+">", func() bool { return w.queue().WaitingMails == 1 })
	w.until(func() bool { return w.queue().Sessions == 0 })
	w.expect(record.OutcomeLifted, record.ReasonClientCutOff)
}
