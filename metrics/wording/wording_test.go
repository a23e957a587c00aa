package wording

import (
	"strings"
	"testing"
	"time"
)

// Times are those of the machine, with UTC beside them where that is another one.
func TestLocalTimeBesideUTC(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 8, 5, 39, 0, time.UTC)
	for zone, want := range map[*time.Location]string{
		time.UTC:                             "2026-11-28 08:05:39 UTC",
		time.FixedZone("GMT", 0):             "2026-11-28 08:05:39 UTC",
		time.FixedZone("CET", 3600):          "2026-11-28 09:05:39 CET (08:05:39 UTC)",
		time.FixedZone("AEDT", 11*3600):      "2026-11-28 19:05:39 AEDT (08:05:39 UTC)",
		time.FixedZone("HST", -10*3600):      "2026-11-27 22:05:39 HST (2026-11-28 08:05:39 UTC)",
		time.FixedZone("+0545", 5*3600+2700): "2026-11-28 13:50:39 +0545 (08:05:39 UTC)",
	} {
		if got := full(at.In(zone)); got != want {
			t.Errorf("%s: got %s, want %s", zone, got, want)
		}
	}
	m := At(at, at.Add(3*time.Hour))
	if m.Machine != "2026-11-28T08:05:39Z" || m.Full != full(at.Local()) || m.Age != "3 hours ago" ||
		m.Date != at.Local().Format("2 January 2006") {
		t.Errorf("got %+v", m)
	}
	if At(time.Time{}, at) != (Moment{}) {
		t.Error("no time is a time")
	}
}

func TestAges(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago", -2 * time.Hour: "in 2 hours", 47 * time.Hour: "47 hours ago",
		48 * time.Hour: "2 days ago", 800 * day: "2 years ago",
	} {
		if got := Age(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
	if got := Span(30 * time.Second); got != "less than a minute" {
		t.Errorf("got %s", got)
	}
}

// What a client has chosen is one line of bounded length.
func TestShown(t *testing.T) {
	t.Parallel()
	long := Shown(strings.Repeat("a", 1000))
	if len(long) > 200 || len(long) < 100 || len(Sentence(strings.Repeat("a", 1000))) > 700 {
		t.Errorf("%d bytes are shown", len(long))
	}
	if got := ShownAll([]string{"a\r\nb", "c"}); len(got) != 2 || strings.ContainsAny(got[0], "\r\n") || got[1] != "c" {
		t.Errorf("got %q", got)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	got := strings.Join([]string{
		Plural(1, "mail"), Plural(0, "mail"), Count(1<<63, "mail"), Size(999), Size(1_000_000), Size(1 << 63),
		Duration(1234567), Duration(90 * time.Second),
	}, ", ")
	if want := "1 mail, 0 mails, 2147483647 mails, 999 B, 1.0 MB, 9.2 EB, 1ms, 1m30s"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
