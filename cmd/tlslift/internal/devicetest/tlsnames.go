package devicetest

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/decide"
)

// extensionNames are the extensions that old clients send.
var extensionNames = map[uint16]string{
	0: "server_name", 1: "max_fragment_length", 5: "status_request", 10: "supported_groups", 11: "ec_point_formats",
	13: "signature_algorithms", 15: "heartbeat", 16: "ALPN", 18: "SCT", 21: "padding", 22: "encrypt_then_mac",
	23: "extended_master_secret", 28: "record_size_limit", 35: "session_ticket", 41: "pre_shared_key", 43: "supported_versions",
	44: "cookie", 45: "psk_key_exchange_modes", 49: "post_handshake_auth", 50: "signature_algorithms_cert", 51: "key_share",
	13172: "NPN", 65281: "renegotiation_info",
}

func extensionText(id uint16) string {
	if name, known := extensionNames[id]; known {
		return name
	}
	return fmt.Sprint(id)
}

// groupNames are those of the groups that are in use.
var groupNames = map[uint16]string{
	23: "P-256", 24: "P-384", 25: "P-521", 29: "X25519", 30: "X448", 256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096",
	259: "ffdhe6144", 260: "ffdhe8192",
	4588: "X25519MLKEM768",
}

func groupText(id uint16) string {
	if name, known := groupNames[id]; known {
		return name
	}
	return fmt.Sprint(id)
}

// signatureNames are those that crypto/tls does not name (RFC 8446 section 4.2.3, RFC 5246
// section 7.4.1.4.1).
var signatureNames = map[uint16]string{
	0x0101: "PKCS1WithMD5", 0x0202: "DSAWithSHA1", 0x0301: "PKCS1WithSHA224", 0x0302: "DSAWithSHA224", 0x0303: "ECDSAWithSHA224",
	0x0402: "DSAWithSHA256", 0x0502: "DSAWithSHA384", 0x0602: "DSAWithSHA512", 0x0808: "Ed448",
	0x0809: "PSSKeyWithSHA256", 0x080a: "PSSKeyWithSHA384", 0x080b: "PSSKeyWithSHA512",
}

func signatureText(id uint16) string {
	if name, known := signatureNames[id]; known {
		return name
	}
	return strings.Trim(strings.TrimPrefix(tls.SignatureScheme(id).String(), "SignatureScheme"), "()")
}

const renegotiationSCSV = 0x00ff // RFC 5746

// suites names cipher suites: those that tlslift has, and the numbers of the others.
func suites(ids []uint16) string {
	var known, others []string
	for _, id := range ids[:min(len(ids), maxNames)] {
		name := decide.SuiteName(id)
		switch {
		case id == renegotiationSCSV || id == clienthello.FallbackSCSV:
		case strings.HasPrefix(name, "0x"):
			others = append(others, name)
		case strings.Contains(name, "RC4") || strings.Contains(name, "_DES_CBC"):
			known = append(known, strings.TrimPrefix(name, "TLS_")+" (off by default)")
		default:
			known = append(known, strings.TrimPrefix(name, "TLS_"))
		}
	}
	text := strings.Join(known, ", ")
	if len(others) > 0 {
		text += "; tlslift does not have " + strings.Join(others, ", ")
	}
	if len(ids) > maxNames {
		text += fmt.Sprintf("; and %d more", len(ids)-maxNames)
	}
	return strings.TrimPrefix(text, "; ")
}
