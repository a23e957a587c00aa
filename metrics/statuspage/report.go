package statuspage

import (
	"net/http"
	"time"

	"github.com/tlslift/tlslift/metrics/burndown"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/report"
	"github.com/tlslift/tlslift/metrics/summary"
	"github.com/tlslift/tlslift/metrics/wording"
)

// maxReported bounds the clients of a report that is printed; the CSV file has all.
const maxReported = 2000

// A reportPage is /report: all clients of a query, to be printed.
type reportPage struct {
	head
	Figures  summary.Figures
	Chart    burndown.Chart
	Problems []problem
	Versions []version
	Lines    []report.Line
	More     int
	Matching string
	Only     []choice
	Filter   string // in words; empty for all
	CSV      string
}

// reports are the files and the page with all clients of a query.
type reports struct{ *site }

func (s reports) route(mux *http.ServeMux) {
	s.limited(mux, "/report", s.serveReport)
	s.limited(mux, "/report.csv", s.serveReportCSV)
	s.limited(mux, "/api/v1/clients.csv", s.serveCSV)
}

func (s reports) serveReport(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	q, err := parseQuery(r.URL.Query(), now)
	if err != nil {
		s.renderMessage(w, http.StatusBadRequest, "This page does not exist", err.Error())
		return
	}
	all := s.Inventory.Snapshot()
	found := q.selected(all, s.Describe)
	data := reportPage{
		head: s.head("Report", "/report"), Figures: summary.FiguresOf(all, now),
		Versions: versionsOf(all, now), More: max(0, len(found)-maxReported), Matching: matchingText(len(found), len(all), len(found)),
		Only: q.only(), CSV: "/report.csv?" + q.values().Encode(),
		Filter: map[string]string{filterFailing: "failing", filterLegacy: "need lifting", filterSilent: "silent"}[q.filter],
	}
	data.Chart = burndown.ChartOf(s.Inventory.Days(), data.Figures.Legacy, now)
	data.Problems, _ = problemsOf(found, now)
	data.Lines = s.lines(found[:len(found)-data.More], now)
	s.render(w, http.StatusOK, "report.html", data)
}

func (s reports) lines(clients []inventory.Client, now time.Time) []report.Line {
	lines := make([]report.Line, len(clients))
	for i, c := range s.described(clients) {
		lines[i] = report.LineOf(c, now)
	}
	return lines
}

// described returns clients with what the clients file says of them.
func (s reports) described(clients []inventory.Client) []report.Client {
	all := make([]report.Client, len(clients))
	for i, c := range clients {
		all[i] = report.Client{Client: c, About: s.Describe(c.Name)}
	}
	return all
}

// serveReportCSV has the lines of the report.
func (s reports) serveReportCSV(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	if found, ok := s.selectedCSV(w, r, "tlslift-report.csv", now); ok {
		report.WriteLines(w, s.lines(found, now))
	}
}

// serveCSV has all that is known of the clients.
func (s reports) serveCSV(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	if found, ok := s.selectedCSV(w, r, "tlslift-clients.csv", now); ok {
		report.WriteClients(w, s.described(found), now)
	}
}

// selectedCSV returns the clients of the query, which is that of the status page, for a CSV
// file. It answers a query that is wrong; then it returns false.
func (s reports) selectedCSV(w http.ResponseWriter, r *http.Request, name string, now time.Time) ([]inventory.Client, bool) {
	q, err := parseQuery(r.URL.Query(), now)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, false
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return q.selected(s.Inventory.Snapshot(), s.Describe), true
}

// shownNow is when a page was made.
func shownNow() wording.Moment {
	now := time.Now()
	return wording.At(now, now)
}
