package legacytls

import (
	"bytes"
	"crypto/tls"
	"maps"
	"slices"
	"strings"
	"testing"
)

// A refusal is what a client says first, and the alert that it gets.
type refusal struct {
	says []byte
	want alert
}

func withExtensions(e ...extension) []byte { return hello{extensions: e}.wire() }

// cutBody is a ClientHello whose body was changed, in a record that fits it.
func cutBody(change func(body []byte) []byte) []byte {
	return records(typeHandshake, tls.VersionTLS10, handshakeMessage(1, change(hello{}.body())), 0)
}

// firstRecords are first records that lead to no hello (RFC 5246 section 6.2).
func firstRecords() map[string]refusal {
	whole := hello{}.wire()
	first := func(typ byte, data ...byte) []byte { return plainRecord(typ, tls.VersionTLS10, data) }
	message := func(typ byte) []byte { return first(typeHandshake, handshakeMessage(typ, []byte("body"))...) }
	return map[string]refusal{
		"record version 0200":        {hello{record: 0x0200}.wire(), alertProtocolVersion},
		"record version 0401":        {hello{record: 0x0401}.wire(), alertProtocolVersion},
		"record type 0":              {[]byte{0, 3, 1, 0, 0}, alertUnexpectedMessage},
		"record type 24":             {[]byte{24, 3, 1, 0, 0}, alertUnexpectedMessage},
		"no TLS":                     {[]byte("GET / HTTP/1.0\r\n"), alertUnexpectedMessage},
		"data":                       {first(typeApplicationData, 'x'), alertUnexpectedMessage},
		"empty data":                 {first(typeApplicationData), alertUnexpectedMessage},
		"ChangeCipherSpec":           {first(typeChangeCipherSpec, 1), alertUnexpectedMessage},
		"an empty handshake record":  {first(typeHandshake), alertUnexpectedMessage},
		"an empty one in the hello":  {slices.Concat(first(typeHandshake, 1, 0), first(typeHandshake), whole), alertUnexpectedMessage},
		"an empty alert":             {first(typeAlert), alertDecodeError},
		"half an alert":              {first(typeAlert, 1), alertDecodeError},
		"an alert of level 3":        {first(typeAlert, 3, 90), alertIllegalParameter},
		"too many warnings":          {bytes.Repeat(first(typeAlert, 1, 90), maxUseless+1), alertUnexpectedMessage},
		"a record too long":          {first(typeHandshake, make([]byte, maxPlaintext+1)...), alertRecordOverflow},
		"a record longer than any":   {[]byte{typeHandshake, 3, 1, 0xff, 0xff}, alertRecordOverflow},
		"a message too long":         {first(typeHandshake, 1, 1, 0, 1), alertIllegalParameter},
		"a message longer than any":  {first(typeHandshake, 1, 0xff, 0xff, 0xff), alertIllegalParameter},
		"HelloRequest":               {message(0), alertUnexpectedMessage},
		"ServerHello":                {message(2), alertUnexpectedMessage},
		"ClientKeyExchange":          {message(16), alertUnexpectedMessage},
		"Finished":                   {message(20), alertUnexpectedMessage},
		"a message of no known type": {message(99), alertUnexpectedMessage},
		"data in the hello":          {slices.Concat(first(typeHandshake, 1, 0), first(typeApplicationData, 'x')), alertUnexpectedMessage},
	}
}

// helloFields are fields of ClientHello that are wrong (RFC 5246 section
// 7.4.1.2).
func helloFields() map[string]refusal {
	versions := func(v uint16, suites ...uint16) []byte { return hello{version: v, suites: suites}.wire() }
	return map[string]refusal{
		"SSL 3.0":                          {versions(versionSSL30), alertProtocolVersion},
		"version 0":                        {versions(1), alertProtocolVersion},
		"SSL 2.0 in a TLS record":          {versions(0x0002), alertProtocolVersion},
		"SSL 3.0 with the fallback SCSV":   {versions(versionSSL30, rsaAES128, 0x5600), alertProtocolVersion},
		"the fallback SCSV at TLS 1.0":     {versions(tls.VersionTLS10, rsaAES128, 0x5600), alertInappropriateFallback},
		"the fallback SCSV at TLS 1.1":     {versions(tls.VersionTLS11, rsaAES128, 0x5600), alertInappropriateFallback},
		"a session ID of 33 bytes":         {hello{session: make([]byte, 33)}.wire(), alertDecodeError},
		"no suites":                        {hello{suites: []uint16{}}.wire(), alertDecodeError},
		"the SCSV alone":                   {versions(tls.VersionTLS10, 0x00ff), alertHandshakeFailure},
		"no suite in common":               {versions(tls.VersionTLS10, 0x0001, 0x1301, 0xc009), alertHandshakeFailure},
		"suites of TLS 1.2 at TLS 1.1":     {versions(tls.VersionTLS11, 0x009c, 0xc02f, 0x003c), alertHandshakeFailure},
		"no compression method":            {hello{compressions: []byte{}}.wire(), alertDecodeError},
		"compression that is not optional": {hello{compressions: []byte{1}}.wire(), alertIllegalParameter},
		"half a suite": {cutBody(func(b []byte) []byte {
			return slices.Concat(b[:35], []byte{0, 3, 0, 0x2f, 0}, b[39:])
		}), alertDecodeError},
		"a byte after a hello without extensions": {cutBody(func(b []byte) []byte { return append(b, 0) }), alertDecodeError},
		"a byte after the extensions":             {cutBody(func(b []byte) []byte { return append(b, 0, 0, 0) }), alertDecodeError},
		"extensions longer than the hello":        {cutBody(func(b []byte) []byte { return append(b, 0, 5, 0, 99, 0, 0) }), alertDecodeError},
		"half an extension":                       {cutBody(func(b []byte) []byte { return append(b, 0, 3, 0, 99, 0) }), alertDecodeError},
		"an extension longer than the block":      {cutBody(func(b []byte) []byte { return append(b, 0, 5, 0, 99, 0, 2, 0) }), alertDecodeError},
	}
}

// helloExtensions are extensions that are wrong.
func helloExtensions() map[string]refusal {
	decode := map[string][]extension{
		"no versions":                       {{extSupportedVersions, []byte{0}}},
		"half a version":                    {{extSupportedVersions, []byte{1, 3}}},
		"server_name twice":                 {named("a"), named("a")},
		"renegotiation_info twice":          {{extRenegotiationInfo, []byte{0}}, {extRenegotiationInfo, []byte{0}}},
		"two server names":                  {{extServerName, vec16(slices.Concat([]byte{0, 0, 1, 'a'}, []byte{0, 0, 1, 'b'}))}},
		"a server name with a zero byte":    {named("a\x00b")},
		"a server name too long":            {named(strings.Repeat("a", 256))},
		"bytes after the server names":      {{extServerName, append(named("a").body, 0)}},
		"a server name cut short":           {{extServerName, []byte{0, 4, 0, 0, 2, 'a'}}},
		"half a list of server names":       {{extServerName, []byte{0}}},
		"no groups":                         {{extGroups, []byte{0, 0}}},
		"half a group":                      {{extGroups, []byte{0, 3, 0, 23, 0}}},
		"bytes after the groups":            {{extGroups, []byte{0, 2, 0, 23, 0}}},
		"bytes after the point formats":     {{extPoints, []byte{1, 0, 0}}},
		"no signature algorithms":           {{extSignatures, []byte{0, 0}}},
		"no protocols":                      {{extALPN, []byte{0, 0}}},
		"an empty protocol":                 {{extALPN, []byte{0, 1, 0}}},
		"max_fragment_length of 0 bytes":    {{extMaxFragmentLength, nil}},
		"max_fragment_length of 2 bytes":    {{extMaxFragmentLength, []byte{1, 1}}},
		"renegotiation_info without length": {{extRenegotiationInfo, nil}},
		"renegotiation_info cut short":      {{extRenegotiationInfo, []byte{1}}},
	}
	all := map[string]refusal{
		"max_fragment_length 0":   {withExtensions(fragmentOf(0)), alertIllegalParameter},
		"max_fragment_length 5":   {withExtensions(fragmentOf(5)), alertIllegalParameter},
		"max_fragment_length 255": {withExtensions(fragmentOf(255)), alertIllegalParameter},
		"versions of the future":  {withExtensions(versionsOf(0x7f1c, 0x0305)), alertProtocolVersion},
		"SSL 3.0 in the list":     {withExtensions(versionsOf(versionSSL30)), alertProtocolVersion},
		"TLS 1.3 alone":           {withExtensions(versionsOf(tls.VersionTLS13)), alertProtocolVersion},
		"renegotiation_info of a connection": {
			withExtensions(extension{extRenegotiationInfo, append([]byte{12}, make([]byte, 12)...)}), alertHandshakeFailure},
		"ECDHE with groups of others": {
			hello{suites: []uint16{ecdheAES128}, extensions: []extension{groupsOf(1, 22)}}.wire(), alertHandshakeFailure},
		"ECDHE with signatures of others": {
			hello{version: tls.VersionTLS12, suites: []uint16{ecdheAES128, dheAES128}, extensions: []extension{signaturesOf(0x0403, 0x0809)}}.wire(),
			alertHandshakeFailure},
	}
	for name, extensions := range decode {
		all[name] = refusal{withExtensions(extensions...), alertDecodeError}
	}
	return all
}

// A hello that breaks a rule, or that has nothing in common with us, gets the
// alert that the RFC says.
func TestRefusedHellos(t *testing.T) {
	t.Parallel()
	all := firstRecords()
	maps.Copy(all, helloFields())
	maps.Copy(all, helloExtensions())
	for name, row := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := begin(t, newConfig(t), hello{})
			c.send(row.says)
			c.wantAlert(row.want)
		})
	}
}

// What the configuration does not allow is not served.
func TestRefusedByConfig(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		config func(c *Config)
		hello  hello
		want   alert // zero means that it is served
	}{
		"RC4":             {func(c *Config) { c.Suites.RC4 = false }, hello{suites: []uint16{0x0004, 0x0005, 0xc011}}, alertHandshakeFailure},
		"DES":             {func(c *Config) { c.Suites.DES = false }, hello{suites: []uint16{0x0009, 0x0015}}, alertHandshakeFailure},
		"RC4 without DES": {func(c *Config) { c.Suites.DES = false }, hello{suites: []uint16{0x0009, 0x0005}}, 0},
		"the fallback SCSV at the newest version of the configuration": {
			func(c *Config) { c.MaxVersion = tls.VersionTLS11 }, hello{version: tls.VersionTLS11, suites: []uint16{0x5600, rsaAES128}}, 0},
		"the fallback SCSV below the newest version of the configuration": {
			func(c *Config) { c.MaxVersion = tls.VersionTLS11 }, hello{suites: []uint16{0x5600, rsaAES128}}, alertInappropriateFallback},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := newConfig(t)
			row.config(config)
			c := begin(t, config, row.hello)
			c.connect()
			if row.want != 0 {
				c.wantAlert(row.want)
				return
			}
			if c.err != nil {
				t.Fatal(c.err)
			}
			c.close()
		})
	}
}
