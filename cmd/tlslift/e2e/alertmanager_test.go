package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A posted is an alert as Alertmanager's API takes and shows it.
type posted struct {
	Labels map[string]string              `json:"labels"`
	Status struct{ InhibitedBy []string } `json:"status"`
}

// What a real Alertmanager keeps back of two alerts that fire together, with the example that
// an operator copies. Each case has a job of its own.
func TestAlertsThatSayNothingNew(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "prometheus-alertmanager")
	cases := []struct {
		source, target map[string]string
		inhibited      bool
	}{
		{ofOurs("Down", "instance", "a"), ofOurs("NotAccepting", "instance", "a"), true},
		{ofOurs("Down", "instance", "a"), ofOurs("NotAccepting", "instance", "b"), false},
		{ofOurs("Down", "instance", "a"), ofOurs("ClientFailing", "client", "fax"), false},
		{ofOurs("UpstreamFailing", "destination", "d"), ofOurs("ClientFailing", "client", "fax"), true},
		{ofOurs("UpstreamFailing", "destination", "d"), ofOurs("ManyClientsFailing", "reason", "upstream_timeout"), true},
		{ofOurs("UpstreamFailing", "destination", "d"), ofOurs("ManyClientsFailing", "reason", "client_unknown_ca"), false},
		{ofOurs("UpstreamFailing", "destination", "d"), ofOurs("ProbeFailing", "destination", "d", "instance", "a"), true},
		{ofOurs("UpstreamFailing", "destination", "d"), ofOurs("ProbeFailing", "destination", "e", "instance", "a"), false},
		{ofOurs("ProbeFailing", "destination", "d", "instance", "a"), ofOurs("ClientStoppedSending", "client", "fax"), false},
		{ofOurs("ProbeFailing", "destination", "d", "instance", "a"), ofOurs("ManyClientsFailing", "reason", "upstream_timeout"), true},
		{ofOurs("ManyClientsFailing", "reason", "client_unknown_ca"), ofOurs("ClientFailingDaily", "client", "fax"), true},
		{ofOurs("ClientFailing", "client", "fax"), ofOurs("ClientSilent", "client", "fax"), true},
		{ofOurs("ClientFailing", "client", "fax"), ofOurs("ClientSilent", "client", "copier"), false},
		{ofOurs("MailboxThrottled", "reason", "mailbox_busy"), ofOurs("MailboxQueue", "mailbox", "m", "instance", "a"), true},
		{ofOurs("CAExpiresVerySoon", "instance", "a"), ofOurs("CAExpiresSoon", "instance", "a"), true},
	}
	want, all := map[string]bool{}, []posted{}
	for i, c := range cases {
		for _, labels := range []map[string]string{c.source, c.target} {
			labels["job"] = fmt.Sprint("case", i)
			all = append(all, posted{Labels: labels})
		}
		want[c.target["job"]+" "+c.target["alertname"]] = c.inhibited
		want[c.source["job"]+" "+c.source["alertname"]] = false
	}
	address := testenv.FreeAddress(t)
	testenv.Program{Address: address}.Run(t, "prometheus-alertmanager", "--config.file="+filepath.Join(prometheusFiles, "alertmanager.yml"),
		"--storage.path="+t.TempDir(), "--web.listen-address="+address, "--cluster.listen-address=", "--log.level=error")
	body, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + address + "/api/v2/alerts"
	resp, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	got := inhibited(t, url)
	// What inhibits others is known a moment after the alert.
	for deadline := time.Now().Add(testenv.Patience); !maps.Equal(got, want) && time.Now().Before(deadline); got = inhibited(t, url) {
		<-time.After(20 * time.Millisecond)
	}
	for of, is := range want {
		if got[of] != is {
			t.Errorf("%s: inhibited %v, want %v", of, got[of], is)
		}
	}
}

// ofOurs returns the labels of one of our alerts.
func ofOurs(name string, labels ...string) map[string]string {
	all := map[string]string{"alertname": "TLSLift" + name}
	for i := 0; i < len(labels); i += 2 {
		all[labels[i]] = labels[i+1]
	}
	return all
}

// inhibited returns the alerts by job and name, and whether they are kept back.
func inhibited(t *testing.T, url string) map[string]bool {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all []posted
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, a := range all {
		found[a.Labels["job"]+" "+a.Labels["alertname"]] = len(a.Status.InhibitedBy) > 0
	}
	return found
}
