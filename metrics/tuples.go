package metrics

import "github.com/tlslift/tlslift/metrics/clientseries"

// maxTuples is how many combinations of label values a client has in one counter. What is
// above that has other in the place of labels of which the sum matters less: the client
// in the failures, whose sum for each reason stays exact; all but client and outcome in the
// other counters, whose sum for each client stays exact.
const maxTuples = 16

// most returns how many series the client may have in one counter; zero means that there
// is no limit. What several clients share may have all: they are bounded anyway.
func (c *client) most() int {
	if c.isShared() {
		return 0
	}
	return maxTuples
}

// count adds to a counter of a client; if that would be one series too many, to the one
// with the values instead.
func (t seriesTable) count(c *client, of metric, n float64, v, instead clientseries.Values) {
	if !c.series.AddWithin(int(of), n, v, c.most()) {
		c.series.Add(int(of), n, instead)
	}
}

// values returns label values, without that of the client.
func (t seriesTable) values(texts ...string) (v clientseries.Values) {
	for i, s := range texts {
		v[i] = t.Value(s)
	}
	return v
}

// A seriesTable has the metrics with series for each client. Its families have the
// numbers of the metrics.
type seriesTable struct{ *clientseries.Table }

func newSeries() seriesTable {
	families := make([]clientseries.Family, len(definitions))
	for id := range definitions {
		if d := &definitions[id]; d.isOfClients() {
			families[id] = clientseries.Family{
				Name: d.fullName(), Help: d.help, Kind: d.kind, Labels: d.labels, IsText: metric(id) == clientInformation,
			}
		}
	}
	return seriesTable{clientseries.New(families)}
}
