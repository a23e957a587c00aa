package metrics

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/tlslift/tlslift/metrics/clientseries"
)

// maxScrapes is how many scrapes may run at once: each holds a part of the exposition in
// memory. It leaves room for a pair of Prometheus servers and a person.
const maxScrapes = 4

// A handler serves /metrics.
type handler struct {
	metrics *Metrics
	running chan struct{} // has one element for each scrape
	// whole serves what has no text, or only a part of it.
	whole       http.Handler
	compressors sync.Pool
}

// Handler returns the handler of /metrics. Text is written as it is made, without the
// library of Prometheus for the series of clients: they are nearly all of it.
func (m *Metrics) Handler() http.Handler {
	return &handler{
		metrics: m, running: make(chan struct{}, maxScrapes),
		whole:       promhttp.HandlerFor(m.Gatherer(), promhttp.HandlerOpts{EnableOpenMetrics: true}),
		compressors: sync.Pool{New: newCompressor},
	}
}

// newCompressor returns a compressor. Series are so alike that the fastest way makes them
// small enough.
func newCompressor() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // there is such a level
	}
	return z
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case h.running <- struct{}{}:
		defer func() { <-h.running }()
	default:
		http.Error(w, fmt.Sprintf("Limit of concurrent requests reached (%d), try again later.", maxScrapes), http.StatusServiceUnavailable)
		return
	}
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	isText := format.FormatType() == expfmt.TypeTextPlain || format.FormatType() == expfmt.TypeOpenMetrics
	if !isText || r.URL.Query().Has("name[]") {
		h.whole.ServeHTTP(w, r)
		return
	}
	h.metrics.expire(time.Now())
	rest, err := h.metrics.registry.Gather()
	if err != nil {
		http.Error(w, "An error has occurred while serving metrics:\n\n"+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Add("Vary", "Accept, Accept-Encoding")
	w.Header().Set("Content-Type", string(format))
	_ = h.compressed(w, r, func(out io.Writer) error { return h.metrics.series.writeText(out, format, rest) }) // a scraper that is gone
}

// compressed calls write with a writer that compresses, if the client can read that.
func (h *handler) compressed(w http.ResponseWriter, r *http.Request, write func(io.Writer) error) error {
	if !acceptsGzip(r.Header.Values("Accept-Encoding")) {
		return write(w)
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := h.compressors.Get().(*gzip.Writer)
	defer h.compressors.Put(z)
	z.Reset(w)
	if err := write(z); err != nil {
		return err
	}
	return z.Close()
}

// acceptsGzip reports whether the Accept-Encoding of a request has gzip (RFC 9110, 12.5.3).
func acceptsGzip(fields []string) bool {
	for coding := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		name, parameter, _ := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		weight, weighted := strings.CutPrefix(strings.TrimSpace(parameter), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !weighted || err == nil && q > 0
	}
	return false
}

// writeText writes all metrics by their names: rest, and those of clients.
func (t seriesTable) writeText(w io.Writer, format expfmt.Format, rest []*dto.MetricFamily) error {
	b := bufio.NewWriter(w)
	own := clientseries.Plain
	if format.FormatType() == expfmt.TypeOpenMetrics {
		own = clientseries.OpenMetrics
	}
	encoder := expfmt.NewEncoder(b, format)
	for _, p := range inOrder(rest) {
		var err error
		if p.family != nil {
			err = encoder.Encode(p.family)
		} else {
			err = t.WriteText(b, int(p.id), own)
		}
		if err != nil {
			return err
		}
	}
	if closer, ok := encoder.(expfmt.Closer); ok {
		if err := closer.Close(); err != nil {
			return err
		}
	}
	return b.Flush()
}

// A part is a metric of a text: a family, or one that has series for each client.
type part struct {
	name   string
	family *dto.MetricFamily
	id     metric
}

// inOrder returns all metrics by their names.
func inOrder(rest []*dto.MetricFamily) []part {
	var all []part
	for _, f := range rest {
		all = append(all, part{name: f.GetName(), family: f})
	}
	for id := range definitions {
		if definitions[id].isOfClients() {
			all = append(all, part{name: definitions[id].fullName(), id: metric(id)})
		}
	}
	slices.SortFunc(all, func(a, b part) int { return cmp.Compare(a.name, b.name) })
	return all
}
